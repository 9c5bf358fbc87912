"""A small IMAP server for tests, on a free loopback port: as much of IMAP4rev1 as a reader of one mailbox needs.

It speaks LOGIN, SELECT, UID SEARCH, UID FETCH, UID STORE and LOGOUT to a real client over a real socket, keeps flags,
and breaks the connection at the command that a test names. It is no mail server: one mailbox, one user, no delivery.
"""

import re
import socketserver
from dataclasses import dataclass, field
from threading import Lock, Thread
from types import TracebackType
from typing import Self

USER, PASSWORD = "bounces@hospital.example", 'a secret with "quotes"'


@dataclass
class KeptMail:
    """A mail in the mailbox."""

    content: bytes
    flags: set[str] = field(default_factory=set)


class ImapServer:
    """`with ImapServer() as server: server.deliver(...)`; `breaks_at` and `refuses` name a command, as `UID STORE`."""

    def __init__(self) -> None:
        self.mails: dict[int, KeptMail] = {}
        self.commands: list[str] = []
        self.breaks_at = ""
        self.refuses = ""
        self.lock = Lock()
        self._server = _Server(("127.0.0.1", 0), _Session)
        self._server.owner = self

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def port(self) -> int:
        """The port that the system chose."""
        return int(self._server.server_address[1])

    def deliver(self, content: bytes) -> KeptMail:
        """Put a mail into the mailbox."""
        kept = KeptMail(content)
        self.mails[len(self.mails) + 1] = kept
        return kept


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    owner: ImapServer


class _Session(socketserver.StreamRequestHandler):
    # A reply of two lines would wait for the other side to say that it has the first.
    disable_nagle_algorithm = True
    server: _Server

    def handle(self) -> None:
        self._say("* OK IMAP4rev1 ready")
        for line in self.rfile:
            tag, _, command = line.decode().rstrip("\r\n").partition(" ")
            name, _, arguments = command.partition(" ")
            if name == "UID":
                inner, _, arguments = arguments.partition(" ")
                name = f"UID {inner}"
            self.server.owner.commands.append(name)
            if name == self.server.owner.breaks_at:
                return
            with self.server.owner.lock:
                answer = self._answer(name, arguments)
            self._say(f"{tag} {answer}")
            if name == "LOGOUT":
                return

    def _answer(self, name: str, arguments: str) -> str:
        if name == self.server.owner.refuses:
            return "NO not allowed"
        if name == "CAPABILITY":
            self._say("* CAPABILITY IMAP4rev1")
        elif name == "LOGIN":
            return "OK signed in" if arguments == f"{USER} {_quoted(PASSWORD)}" else f"NO no such user {USER}"
        elif name == "SELECT":
            self._say(f"* {len(self.server.owner.mails)} EXISTS")
            return "OK [READ-WRITE] open" if arguments == '"INBOX"' else "NO no such mailbox"
        elif name == "UID SEARCH":
            self._search(arguments)
        elif name == "UID FETCH":
            self._fetch(arguments)
        elif name == "UID STORE":
            uid, _, flags = re.fullmatch(r"(\d+) \+FLAGS(\.SILENT)? \((.*)\)", arguments).groups()  # type: ignore[union-attr]
            self.server.owner.mails[int(uid)].flags |= set(flags.split())
        elif name == "LOGOUT":
            self._say("* BYE")
        else:
            return "BAD unknown command"
        return "OK done"

    def _search(self, arguments: str) -> None:
        unwanted = {f"\\{key.removeprefix('UN').capitalize()}" for key in arguments.split()}
        found = [str(uid) for uid, mail in self.server.owner.mails.items() if not mail.flags & unwanted]
        self._say(" ".join(["* SEARCH", *found]))

    def _fetch(self, arguments: str) -> None:
        uid, _, wanted = arguments.partition(" ")
        mail = self.server.owner.mails[int(uid)]
        if wanted == "(RFC822.SIZE)":
            self._say(f"* {uid} FETCH (UID {uid} RFC822.SIZE {len(mail.content)})")
        else:
            assert wanted == "(BODY.PEEK[])"
            head = f"* {uid} FETCH (UID {uid} BODY[] {{{len(mail.content)}}}\r\n"
            self.wfile.write(head.encode() + mail.content + b")\r\n")

    def _say(self, line: str) -> None:
        self.wfile.write(line.encode() + b"\r\n")


def _quoted(text: str) -> str:
    return '"{}"'.format(text.replace("\\", "\\\\").replace('"', '\\"'))
