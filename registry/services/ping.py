"""The sign of life to a service outside, which calls somebody when it stays away."""

import logging
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from socket import SHUT_RDWR
from threading import Thread
from urllib.parse import urlsplit

logger = logging.getLogger(__name__)

LIMIT_SECONDS = 10.0
_GOOD = range(200, 300)


def ping(url: str, *, limit_seconds: float = LIMIT_SECONDS) -> bool:
    """Ask for an address once, follow nothing, and wait no longer than the limit; False when it did not work.

    What went wrong is logged without the address, which may hold the secret id of a check.
    """
    said: list[str] = []
    connection = _connection(url, limit_seconds)
    # In a thread of its own: a name server may be slow, and a server may send a byte now and then for ever.
    asking = Thread(target=lambda: said.append(_answer(connection, url)), daemon=True)
    asking.start()
    asking.join(limit_seconds)
    # Looked at once: the cut ends the thread's waiting, and what it says then was not said in time.
    problem = said[0] if said else "no answer in time"
    if not said:
        _cut(connection)
    if problem:
        logger.warning("The sign of life did not reach the service outside: %s", problem)
    return not problem


def _connection(url: str, limit_seconds: float) -> HTTPConnection:
    # Neither follows a redirect nor asks the environment for a proxy.
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    return kind(parts.hostname or "", parts.port, timeout=limit_seconds)


def _answer(connection: HTTPConnection, url: str) -> str:
    """What is wrong with the answer, or nothing."""
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request("GET", path, headers={"User-Agent": "pain-registry"})
        status = connection.getresponse().status
    except (OSError, HTTPException, ValueError) as error:
        return type(error).__name__
    finally:
        connection.close()
    return "" if status in _GOOD else f"status {status}"


def _cut(connection: HTTPConnection) -> None:
    """End a connection that another thread waits for."""
    with suppress(OSError, AttributeError):
        connection.sock.shutdown(SHUT_RDWR)
