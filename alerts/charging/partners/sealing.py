"""Keeps partners' keys: those that must be used again are encrypted, those that are only compared are hashed.

A webhook or T/CEC key signs and decrypts, so it has to be there in plain when a message comes: it is encrypted with
AES-256-GCM under a master key that lies in a file and not in the database. A token is only compared: of it the database
has a SHA-256. That is enough for 256 random bits; a slow hash is for what people think up.
"""

import base64
import hashlib
import hmac
import os
import secrets
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from config.errors import UserMistake

_MASTER_BYTES = 32
_NONCE_BYTES = 12


class MasterKeyUnfit(UserMistake):
    """The file with the master key is missing, unreadable or another one than the keys were sealed with."""


class Sealer:
    """Seals secrets for the database with the master key."""

    def __init__(self, master: bytes) -> None:
        self._aead = AESGCM(master)
        # Tokens are signed by a key of their own, so that one use says nothing about the other.
        self._token_key = hmac.digest(master, b"forewarn partner tokens", "sha256")

    def seal(self, plain: bytes, *, about: str, random: Callable[[int], bytes] = os.urandom) -> bytes:
        """Return ``plain`` encrypted; ``about`` is what it belongs to and must be the same when it is opened."""
        nonce = random(_NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, plain, about.encode())

    def open(self, sealed: bytes, *, about: str) -> bytes:
        """Return what was sealed.

        Raises : MasterKeyUnfit, also when it was sealed for something else
        """
        try:
            return self._aead.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], about.encode())
        except InvalidTag as error:
            raise MasterKeyUnfit(
                f"the key of {about} was sealed with another master key: restore the file partners.master_key names"
            ) from error

    def derived_token(self, prefix: str, *, about: str) -> str:
        """Return the token that follows from ``about``: who asks the same again gets the same, though none is kept."""
        tag = hmac.digest(self._token_key, b"derived token\0" + about.encode(), "sha256")
        return prefix + base64.urlsafe_b64encode(tag).decode().rstrip("=")

    def token_tag(self, content: bytes) -> bytes:
        """Return the MAC (32 bytes) of a token that we issue."""
        return hmac.digest(self._token_key, content, "sha256")


def digest(token: str) -> bytes:
    """Return what the database keeps of a token."""
    return hashlib.sha256(token.encode()).digest()


def new_token(prefix: str) -> str:
    """Return a token of 256 random bits; the prefix lets people and secret scanners know what it is."""
    return prefix + secrets.token_urlsafe(32)


def load_or_make(file: Path) -> Sealer:
    """Return the sealer of the master key in ``file``, which is made when there is none.

    Raises : MasterKeyUnfit
    """
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=file.parent)
        try:
            with os.fdopen(descriptor, "w") as made:
                made.write(secrets.token_hex(_MASTER_BYTES) + "\n")
                made.flush()
                # Keys are sealed with it from now on: it must not be gone after a power cut.
                os.fsync(made.fileno())
            # Whole or not at all, and of two processes at once the first one's.
            with suppress(FileExistsError):
                os.link(name, file)
        finally:
            os.unlink(name)
    return load(file)


def load(file: Path) -> Sealer:
    """Return the sealer of the master key in ``file``.

    Raises : MasterKeyUnfit
    """
    try:
        written = file.read_text(encoding="ascii").strip()
        master = bytes.fromhex(written)
    except FileNotFoundError as error:
        raise MasterKeyUnfit(f"there is no {file}: copy it from where partners were added, or add one here") from error
    except ValueError as error:
        raise MasterKeyUnfit(f"{file} does not hold {2 * _MASTER_BYTES} hexadecimal digits: restore it") from error
    if len(master) != _MASTER_BYTES:
        raise MasterKeyUnfit(f"{file} does not hold {2 * _MASTER_BYTES} hexadecimal digits: restore it")
    return Sealer(master)
