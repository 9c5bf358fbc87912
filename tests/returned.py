"""Mails that came back, as servers write them; addresses and names are invented."""

from pathlib import Path

FOLDER = Path(__file__).parent / "returned_mails"
RETURN_PATH = b"bounces+4711-0123456789abcdef@hospital.example"
MESSAGE_ID = b"<abcdefghjkmnpqrstvwx@hospital.example>"


def returned_mail(name: str, *, to: str | None = None, message_id: str | None = None) -> bytes:
    """A mail that came back to an address, about a mail of ours."""
    content = (FOLDER / f"{name}.eml").read_bytes()
    content = content.replace(RETURN_PATH, to.encode()) if to is not None else content
    return content.replace(MESSAGE_ID, message_id.encode()) if message_id is not None else content
