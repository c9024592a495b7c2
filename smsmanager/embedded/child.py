"""Run a command that ends when its parent ends: `python child.py PARENT COMMAND [ARGUMENT...]`.

A launcher of its own, because `preexec_fn` of subprocess is not safe in a process with threads, and run
as a file without `site`, so that it costs milliseconds. PARENT is the process id of the parent.

Linux kills a process whose PR_SET_PDEATHSIG is set when the *thread* that started it ends (prctl(2)), and
the setting survives execve(2). Elsewhere the command runs without it: there a parent killed with -9
leaves its children, and the next start says so.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def end_with(parent: int, by: signal.Signals = signal.SIGKILL) -> None:
    """Have this process sent the signal `by` when `parent`, the process id of its parent, ends.

    Children are killed, not asked: what they keep survives a crash at any instant (SQLite's and the
    broker's files by their journals, messages by their leases), and one that was asked could go on for
    as long as a task of it lasts. Raises OSError when the kernel refuses.
    """
    if sys.platform.startswith("linux"):
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_PDEATHSIG, int(by), 0, 0, 0) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    # The parent may have ended before prctl was called; then the kernel sends nothing any more.
    if os.getppid() != parent:
        os.kill(os.getpid(), by)


if __name__ == "__main__":
    end_with(int(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606  (no shell is the point)
