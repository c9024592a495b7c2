"""Kannel's own rate, from its HTTP interface to an SMSC: what stands beside the rate of the SMPP gateway.

Bearerbox and smsbox of the system, each a process, and an SMSC that answers at once, another. The messages are asked
for by a bare client over kept connections, so that what is measured is Kannel; the clock stops when the SMSC took the
last of them. Kannel is not a part of this product, and there is no target.
"""

import asyncio
import time
from urllib.parse import urlencode, urlsplit

from tests.bench import smpp, smpp_ends
from tests.gateways.kannels import Kannel, kannel
from tests.tooling.tools import ToolMissing

MESSAGES = 10_000
WARMING = 200
CONNECTIONS = 20
WINDOW = 100
SECONDS = 60.0


def report() -> str:
    rate = kannel_rate()
    if rate is None:
        return "Kannel is not installed here, so its rate is not measured."
    number = f"{rate:,.0f}".replace(",", " ")
    return (
        f"Kannel passes {number} messages per second from its HTTP interface to an SMSC that answers at once "
        f"({CONNECTIONS} HTTP connections, a window of {WINDOW})."
    )


def kannel_rate() -> float | None:
    """Messages per second; None where Kannel is not installed."""
    with smpp.program("smsc", 0.0) as centre:
        try:
            with kannel(int(smpp.line(centre)), window=WINDOW, level=4) as running:
                asyncio.run(_submit(running, WARMING))
                _wait(running, WARMING)
                start = time.perf_counter()
                asyncio.run(_submit(running, MESSAGES))
                _wait(running, WARMING + MESSAGES)
                return MESSAGES / (time.perf_counter() - start)
        except ToolMissing:
            return None


def _wait(running: Kannel, count: int) -> None:
    """Until the SMSC took so many. Raises RuntimeError after SECONDS."""
    deadline = time.monotonic() + SECONDS
    while running.sent() < count:
        if time.monotonic() > deadline:
            raise RuntimeError(f"The SMSC took {running.sent()} of {count} messages in {SECONDS:g} s.")
        time.sleep(0.005)


async def _submit(running: Kannel, count: int) -> None:
    await asyncio.gather(*(_client(running, count // CONNECTIONS) for _each in range(CONNECTIONS)))


async def _client(running: Kannel, count: int) -> None:
    address = urlsplit(running.url)
    options = running.options
    query = urlencode(
        {
            "username": options["username"],
            "password": options["password"],
            "from": "Boulanger",
            "to": "+33600000000",
            "text": smpp_ends.TEXT,
            "charset": "UTF-8",
            "coding": 0,
        }
    )
    request = f"GET {address.path}?{query} HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n".encode()
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    for _each in range(count):
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 202"), head
        length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        await reader.readexactly(int(length.partition(b":")[2]))
    writer.close()
    await writer.wait_closed()


if __name__ == "__main__":
    print(report())
