"""A connection to the peer, with TLS or without."""

import asyncio
import socket
import ssl

from compose.gateways.base import BadConfiguration
from compose.gateways.smpp.options import Options


def tls_context(options: Options) -> ssl.SSLContext:
    """TLS with the peer's certificate and name checked, unless the options say otherwise.

    Raises BadConfiguration when a file of the options cannot be read.
    """
    try:
        context = ssl.create_default_context(cafile=options.tls_ca or None)
        if not options.tls_verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if options.tls_certificate:
            context.load_cert_chain(options.tls_certificate, options.tls_key or None)
    except OSError as error:
        raise BadConfiguration(f"a file for TLS cannot be used: {error.strerror or type(error).__name__}") from error
    return context


async def connected_socket(loop: asyncio.AbstractEventLoop, host: str, port: int) -> socket.socket:
    """A socket that is connected to the first address of the host that answers. Raises OSError."""
    trouble: OSError = OSError("the host has no address")
    for family, kind, protocol, _name, address in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        try:
            await loop.sock_connect(made, address)
        except OSError as error:
            made.close()
            trouble = error
        except BaseException:
            made.close()
            raise
        else:
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return made
    raise trouble
