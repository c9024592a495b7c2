"""Processes that take slots of gateways as fast as they can.

Run as `python -m tests.processes.taking PROCESSES GATEWAY=TAKES …`.

The gateways are those of SMSMANAGER_GATEWAYS. Each process is forked, opens connections of its own, begins when all of
them are there, and takes a chunk of each gateway in turn until it has its number of them. Printed is, as JSON, for each
gateway what every chunk got: [when it may leave, by the clock of who gives the slots, and its messages].
"""

import json
import os
import sys
from collections import defaultdict

import django


def _take(wanted: dict[str, int]) -> dict[str, list[tuple[float, int]]]:
    from compose import pacing

    got: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for turn in range(max(wanted.values())):
        for name, times in wanted.items():
            if turn < times:
                slot = pacing.slot(name, count := pacing.chunk(name, 100))
                got[name].append((slot.now + slot.wait, count))
    return got


def main() -> None:
    """Fork, let them begin together, and gather what they got."""
    django.setup()
    wanted = {name: int(times) for name, times in (said.split("=") for said in sys.argv[2:])}
    start, begin = os.pipe()
    answers = []
    for _process in range(int(sys.argv[1])):
        answer, own = os.pipe()
        if os.fork() == 0:
            os.close(begin)
            # Until the parent closes its end.
            os.read(start, 1)
            with os.fdopen(own, "w") as file:
                json.dump(_take(wanted), file)
            os._exit(0)
        os.close(own)
        answers.append(answer)
    os.close(begin)
    got: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for answer in answers:
        with os.fdopen(answer) as file:
            for name, chunks in json.load(file).items():
                got[name] += chunks
    sys.stdout.write(json.dumps(got))


if __name__ == "__main__":
    main()
