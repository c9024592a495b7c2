"""Kannel for the tests: its bearerbox and smsbox, bound to a short message centre, on free ports of the loopback."""

import contextlib
import os
import re
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.request import urlopen

from tests.tooling import tools

USERNAME: Final = "shop"
PASSWORD: Final = "s3cr3t-k4nn3l"
SECONDS: Final = 20.0

# Groups are separated by empty lines, or Kannel reads one group.
_CONFIGURATION: Final = """
group = core
admin-port = {admin}
admin-interface = "127.0.0.1"
admin-password = "{password}"
smsbox-port = {boxes}
smsbox-interface = "127.0.0.1"
box-allow-ip = "127.0.0.1"
box-deny-ip = "*.*.*.*"
log-file = "{folder}/bearerbox.log"
log-level = {level}
dlr-storage = internal

group = smsc
smsc = smpp
smsc-id = stand-in
host = 127.0.0.1
port = {smsc}
transceiver-mode = true
smsc-username = "shop"
smsc-password = "shop"
system-type = ""
source-addr-autodetect = true
max-pending-submits = {window}
reconnect-delay = 1

group = smsbox
bearerbox-host = 127.0.0.1
bearerbox-port = {boxes}
sendsms-port = {sendsms}
sendsms-interface = "127.0.0.1"
log-file = "{folder}/smsbox.log"
log-level = {level}
http-request-retry = 5
http-queue-delay = 1

group = sendsms-user
username = "{username}"
password = "{password}"
concatenation = true
max-messages = 255

group = sms-service
keyword = default
max-messages = 0
get-url = "{received}"

"""
# What our door needs of a received message; docs/gateways.md shows the same line.
ESCAPES: Final = "id=%I&from=%p&to=%P&text=%b&coding=%c&charset=%C&udh=%u&time=%T"


@dataclass(frozen=True)
class Kannel:
    """A running one: the address of its sendsms, where it writes its log files, and the port of its administration."""

    url: str
    folder: Path
    admin: int

    @property
    def options(self) -> dict[str, Any]:
        """For KannelGateway."""
        return {"url": self.url, "username": USERNAME, "password": PASSWORD}

    def sent(self) -> int:
        """How many messages the centre took so far, as Kannel counts them."""
        with urlopen(f"http://127.0.0.1:{self.admin}/status.txt?password={PASSWORD}", timeout=SECONDS) as status:
            found = re.search(r"SMS: .*?sent (\d+)", status.read().decode())
        assert found, "Kannel's status has no line about messages"
        return int(found[1])


@contextlib.contextmanager
def kannel(smsc: int, *, door: str = "http://127.0.0.1:9/", window: int = 10, level: int = 1) -> Iterator[Kannel]:
    """Kannel, bound to the centre at the port `smsc`, for the length of the block; received messages go to `door`.

    Raises tests.tooling.tools.ToolMissing where it is not installed.
    """
    programs = tools.kannel()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kannel-")))
        admin, boxes, sendsms = _free_ports(3)
        received = door + ("" if door.endswith(("?", "&")) else "?") + ESCAPES
        configuration = folder / "kannel.conf"
        configuration.write_text(
            _CONFIGURATION.format(
                admin=admin,
                boxes=boxes,
                sendsms=sendsms,
                smsc=smsc,
                folder=folder,
                username=USERNAME,
                password=PASSWORD,
                window=window,
                level=level,
                received=received,
            )
        )
        for program, port in (("bearerbox", boxes), ("smsbox", sendsms)):
            process = subprocess.Popen(
                [programs / program, "-v", "4", configuration],
                cwd=folder,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={"PATH": os.environ["PATH"]},
            )
            stack.callback(_end, process)
            _wait_for(process, port, folder)
        yield Kannel(url=f"http://127.0.0.1:{sendsms}/cgi-bin/sendsms", folder=folder, admin=admin)


def _end(process: "subprocess.Popen[bytes]") -> None:
    # Asked politely, bearerbox waits up to ten seconds for its connections.
    process.kill()
    process.wait(SECONDS)


def _wait_for(process: "subprocess.Popen[bytes]", port: int, folder: Path) -> None:
    deadline = time.monotonic() + SECONDS
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if process.poll() is not None or time.monotonic() > deadline:
            logs = "\n".join(path.read_text(errors="replace")[-2000:] for path in folder.glob("*.log"))
            raise RuntimeError(f"{process.args!r} does not listen at {port}: {logs}")
        time.sleep(0.02)


def _free_ports(count: int) -> list[int]:
    """Ports of the loopback that are free now; taken together, so that they differ."""
    with contextlib.ExitStack() as stack:
        taken = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [int(each.getsockname()[1]) for each in taken]
