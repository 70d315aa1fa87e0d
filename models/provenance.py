"""Which code a model was trained by."""

import hashlib
from functools import cache
from importlib.metadata import version
from importlib.resources import files


@cache
def code_version() -> str:
    """Return the version of Forewarn and a hash over what a model's meaning hangs on: the code and the catalogues.

    A checkout between two releases has the number of the last one; the hash tells them apart, also where there is no
    git.
    """
    digest = hashlib.sha256()
    sources = [
        *files("models").iterdir(),
        *(files("config").joinpath(name) for name in ("faults.toml", "signals.toml")),
    ]
    for source in sorted(sources, key=lambda file: file.name):
        if source.name.endswith((".py", ".toml")):
            digest.update(source.read_bytes())
    return f"{version('forewarn')}+{digest.hexdigest()[:12]}"
