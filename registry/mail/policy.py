"""How a mail is written as bytes."""

from email.policy import EmailPolicy
from typing import Any


class _ListHeadersUnfolded(EmailPolicy):
    """Writes the List-* headers on one line: the standard policy encodes a long address and one-click stops working."""

    def fold(self, name: str, value: Any) -> str:
        if name.lower().startswith("list-"):
            return f"{name}: {value}{self.linesep}"
        return str(super().fold(name, value))

    def fold_binary(self, name: str, value: Any) -> bytes:
        if name.lower().startswith("list-"):
            return self.fold(name, value).encode("ascii")
        return bytes(super().fold_binary(name, value))


# 76 keeps encoded words within 75 characters, and 7bit passes through every relay unchanged.
POLICY = _ListHeadersUnfolded(linesep="\r\n", max_line_length=76, cte_type="7bit")
