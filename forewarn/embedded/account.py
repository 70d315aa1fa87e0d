"""PostgreSQL refuses to run as root: which user runs it, and which folders that user can reach."""

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config.errors import UserMistake

_DEFAULT = "nobody"


@dataclass(frozen=True, slots=True)
class Account:
    """A user other than the one that runs this process."""

    name: str
    uid: int
    gid: int

    def popen_arguments(self) -> dict[str, Any]:
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def account_for(run_as: str | None) -> Account | None:
    """Return the user that runs the server, None for the user of this process.

    Raises : UserMistake, when there is no such user, it is root, or this process may not become it
    """
    if os.geteuid() != 0:
        if run_as is not None and pwd.getpwuid(os.geteuid()).pw_name != run_as:
            raise UserMistake(f"only root can run PostgreSQL as {run_as}: unset FOREWARN_EMBEDDED__RUN_AS")
        return None
    name = run_as or _DEFAULT
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise UserMistake(
            f"PostgreSQL does not run as root and there is no user {name}: "
            "set FOREWARN_EMBEDDED__RUN_AS to an ordinary user"
        ) from None
    if entry.pw_uid == 0:
        raise UserMistake("PostgreSQL does not run as root: set FOREWARN_EMBEDDED__RUN_AS to an ordinary user")
    return Account(name, entry.pw_uid, entry.pw_gid)


def can_reach(account: Account | None, path: Path) -> bool:
    """Say whether the account can enter a folder or run a file, by trying it as that account."""
    if account is None:
        return os.access(path, os.X_OK)
    try:
        tried = subprocess.run(
            ["/bin/sh", "-c", 'test -x "$1"', "sh", str(path)],
            cwd="/",
            check=False,
            capture_output=True,
            **account.popen_arguments(),
        )
    except PermissionError as error:
        raise UserMistake(
            f"this process may not become the user {account.name}: run Forewarn as an ordinary user"
        ) from error
    return tried.returncode == 0


def make_folder(path: Path) -> None:
    """Create a folder and its missing parents so that every user can pass through; existing ones keep their mode.

    Raises : UserMistake, when there can be no such folder
    """
    missing = [path, *path.parents]
    try:
        for folder in reversed([folder for folder in missing if not folder.exists()]):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o755)
    except (NotADirectoryError, FileExistsError, FileNotFoundError) as error:
        raise _no_folder(path) from error
    if not path.is_dir():
        raise _no_folder(path)


def _no_folder(path: Path) -> UserMistake:
    return UserMistake(f"{path} cannot be a folder: set FOREWARN_DATA_DIR to a folder of your own")
