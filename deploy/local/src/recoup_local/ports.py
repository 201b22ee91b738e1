"""Free ports on loopback, from below the range that the system hands to outgoing connections.

A port out of that range could be taken by anybody's connection while its broker is down for a moment, and a
broker must come back on the port that its clients know.
"""

import asyncio
import secrets
import socket

LOWEST, HIGHEST = 20_000, 32_000  # Linux hands out 32768 and up, others 49152 and up
LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """A port that nobody listens on now. It isn't held: who starts on it must be ready to choose again."""
    for _ in range(1000):
        port = LOWEST + secrets.randbelow(HIGHEST - LOWEST)
        if is_free(port):
            return port
    raise OSError(f"no free port between {LOWEST} and {HIGHEST}")


def is_free(port: int) -> bool:
    """Whether a listener could be opened on the port of loopback."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: TIME_WAIT is no obstacle
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


async def listens(port: int) -> bool:
    """Tell whether somebody listens on a port of this machine."""
    try:
        _, writer = await asyncio.open_connection(LOOPBACK, port)
    except OSError:
        return False
    writer.close()
    return True
