"""Has MLflow show what the registry holds, after what changes it; when MLflow cannot, that is said and no more."""

import structlog

from config.settings import Settings
from ingest.store.connection import connect

_log = structlog.get_logger(__name__)


def show_in_mlflow(settings: Settings) -> bool:
    """Mirror models and aliases; return whether MLflow took them."""
    from models.promotion import aliases
    from models.registry import list_models
    from models.tracking import mirror

    assert settings.database.dsn is not None
    with connect(settings.database.dsn, role="models") as conn:
        named = aliases(conn, settings.data_dir)
    try:
        models = list_models(settings.data_dir)
        mirror(models, aliases=named, data_dir=settings.data_dir, uri=settings.models.tracking_uri)
    except Exception as error:  # noqa: BLE001
        # Whatever ails a store that is only looked at: models score without it, and the next mirroring tries again.
        _log.warning(
            "MLflow was not told, which changes nothing about what scores: see docs/models.md",
            error=f"{type(error).__name__}: {str(error).partition(chr(10))[0]}",
        )
        return False
    return True
