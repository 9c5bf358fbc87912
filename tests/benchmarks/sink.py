"""A mail server that takes all and keeps none, in a process of its own: `python -m tests.benchmarks.sink SECONDS`."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
_REPLIES = {
    b"EHLO": b"250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n",
    b"DATA": b"354 go on\r\n",
    b"QUIT": b"221 bye\r\n",
}
_END = b"\r\n.\r\n"


class _Sink(asyncio.Protocol):
    """One connection: a reply for each line, and one for the end of each mail."""

    def __init__(self, wait: float) -> None:
        self._wait, self._buffer, self._is_in_mail = wait, b"", False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._say(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        replies = []
        while (reply := self._next_reply()) is not None:
            replies.append(reply)
        # Those to several commands at once go at once, as servers send them.
        if replies:
            self._say(b"".join(replies))

    def _next_reply(self) -> bytes | None:
        ending = _END if self._is_in_mail else b"\r\n"
        taken, found, rest = self._buffer.partition(ending)
        if not found:
            return None
        self._buffer = rest
        word = b"" if self._is_in_mail else taken[:4].upper()
        self._is_in_mail = word == b"DATA"
        return _REPLIES.get(word, b"250 ok\r\n")

    def _say(self, reply: bytes) -> None:
        if self._wait:
            asyncio.get_running_loop().call_later(self._wait, self._transport.write, reply)
        else:
            self._transport.write(reply)


async def _serve(wait: float) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: _Sink(wait), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201  how the port is told
    await server.serve_forever()


@contextmanager
def sink(wait: float = 0.0) -> Iterator[int]:
    """A running sink that waits so many seconds before each reply; its port."""
    arguments = [sys.executable, "-m", "tests.benchmarks.sink", str(wait)]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, cwd=ROOT)
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(timeout=10)


if __name__ == "__main__":
    asyncio.run(_serve(float(sys.argv[1])))
