"""Secrets that travel in addresses and cookies: only their hashes are stored."""

import base64
import hashlib
import hmac
import re
import secrets

# Crockford's alphabet: no letter that is mistaken for a digit, none that a mail program takes for punctuation.
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_AS_CROCKFORD = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", _ALPHABET.encode())
TOKEN_LENGTH = 26
_TOKEN = re.compile(f"[{_ALPHABET}]{{{TOKEN_LENGTH}}}")


def link_token(key: bytes, public_id: str) -> str:
    """The token of a link: 130 bits that only the holder of the key can work out from the link's public id."""
    number = int.from_bytes(hmac.digest(key, public_id.encode(), hashlib.sha256))
    return _encode(number >> (256 - 5 * TOKEN_LENGTH), TOKEN_LENGTH)


def is_token(text: str) -> bool:
    """Whether a text is written as a token is; anything else is not looked up."""
    return _TOKEN.fullmatch(text) is not None


def token_hash(token: str) -> str:
    """What is stored of a token, and by which it is looked up."""
    return hashlib.sha256(token.encode()).hexdigest()


def random_id(length: int = 16) -> str:
    """A random name for a thing in an address; five bits a character."""
    return _encode(secrets.randbits(5 * length), length)


def random_secret() -> str:
    """A random secret of 256 bits for a cookie."""
    return secrets.token_urlsafe(32)


def _encode(number: int, length: int) -> str:
    """Five bits a character, by the standard library's encoder: a mail has five of these."""
    groups = -(-length // 8)
    bits = number << 5 * (8 * groups - length)
    return base64.b32encode(bits.to_bytes(5 * groups)).translate(_AS_CROCKFORD)[:length].decode()
