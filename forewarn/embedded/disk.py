"""Is there room left on the disk that holds the embedded servers?"""

import shutil
from pathlib import Path

# PostgreSQL takes log segments of this size whole: with less it cannot write on.
_LEAST_FREE_BYTES = 16 * 2**20


def is_full(path: Path) -> bool:
    """Say whether the disk that holds ``path`` has too little room for PostgreSQL; False when it cannot be asked."""
    try:
        return shutil.disk_usage(path).free < _LEAST_FREE_BYTES
    except OSError:
        return False
