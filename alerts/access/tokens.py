"""Secrets that this server gives out: sessions, forms, keys. Of those that are kept, only the SHA-256 is."""

import base64
import hashlib
import hmac
import secrets

_BYTES = 32


def new_token() -> str:
    """Return 256 random bits as 43 characters."""
    return secrets.token_urlsafe(_BYTES)


def hash_of(token: str) -> bytes:
    """Return what is kept of a token: 32 bytes. A slow hash is for what people choose; nobody guesses 256 bits."""
    return hashlib.sha256(token.encode()).digest()


def csrf_of(token: str) -> str:
    """Return what forms carry that the holder of a token is shown: it proves the token and does not tell it."""
    proof = hmac.digest(token.encode(), b"forewarn form", "sha256")
    return base64.urlsafe_b64encode(proof).rstrip(b"=").decode()


def is_same(given: str | None, wanted: str) -> bool:
    """Compare secrets in a time that says nothing of where they differ."""
    return hmac.compare_digest((given or "").encode(), wanted.encode())
