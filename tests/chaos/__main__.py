"""The long run: `python -m tests.chaos`. The exit code is 1 when something was found."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos import plan
from tests.chaos.house import House
from tests.chaos.run import run
from tests.tooling import postgres, tools

LIMIT = 40 * 60  # seconds
# So many messages are told to wait, the first ones, so that their next attempts are within the run.
THROTTLES = 50


def main(arguments: list[str]) -> int:
    """Make the plan of the arguments, play it, print what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=30, help="of workers or of one of their children")
    parser.add_argument("--flushes", type=int, default=3, help="of the broker")
    parser.add_argument("--restarts", type=int, default=1, help="of the database, and of the broker, empty")
    parser.add_argument("--beats", type=int, default=2, help="how many run; each is killed once on the average")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--keep", type=Path, help="a new folder for the logs, which is kept")
    chosen = parser.parse_args(arguments)
    wanted = plan.made(
        seed=chosen.seed,
        messages=chosen.messages,
        kills=chosen.kills,
        flushes=chosen.flushes,
        restarts=chosen.restarts,
        beats=chosen.beats,
    )
    print(*wanted.lines(), sep="\n", flush=True)
    try:
        with tempfile.TemporaryDirectory(prefix="sms-chaos-", ignore_cleanup_errors=True) as room:
            folder = chosen.keep or Path(room)
            folder.mkdir(exist_ok=True)
            with House(folder, seed=chosen.seed, beats=chosen.beats, throttles=THROTTLES) as house:
                outcome = run(house, wanted, deadline=LIMIT, say=lambda line: print(line, flush=True))
    except (tools.ToolMissing, postgres.ClusterFailed) as error:
        print(error, file=sys.stderr)
        return 1
    print("", *outcome.lines(), sep="\n")
    return 1 if outcome.findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
