"""Who scores: decisions about champions, each with a name and a reason, in ``prediction.model_promotion``.

That table alone says which model scores. Files hold the models, MLflow shows both.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec
import psycopg
from psycopg.rows import kwargs_row
from psycopg.types.json import Jsonb

from config import sql
from config.errors import UserMistake
from config.faults import fault_modes
from models import gate
from models.registry import (
    LoadedModel,
    ModelFileUntrusted,
    NoModel,
    TrainedModel,
    digest_of,
    load_model,
    newest_model,
    pointers,
    read_meta,
    what_instead,
)
from models.runs import Clock, utc_now

Kind = Literal["first", "promotion", "rollback"]
Alias = Literal["champion", "challenger"]

# Who decided where no person did.
_FOREWARN = "forewarn"
FIRST_MODEL = "first model"
_FROM_POINTER = "was the champion before decisions were recorded"


class WorseThanChampion(UserMistake):
    """A challenger is worse than the champion by more than is tolerated."""


class ChangedSince(UserMistake):
    """The files of a model that is or was champion are not those that were decided for."""


class NothingToDecide(UserMistake):
    """The model scores already, or there is none to go back to."""


class DecidedMeanwhile(UserMistake):
    """Somebody else decided about the same fault mode at the same time."""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """One row of ``prediction.model_promotion``.

    replaced : the version that scored until then
    digest   : as of ``models.registry.digest_of``, of the model that was decided for; None in decisions of before
    """

    promotion_id: int
    fault_mode: str
    version: str
    replaced: str | None
    kind: Kind
    decided_by: str
    reason: str
    forced: bool
    gate: list[gate.Check]
    decided_at: datetime
    digest: str | None = None


class Champion(NamedTuple):
    """Which model scores for a fault mode; ``digest`` as of its decision."""

    version: str
    digest: str | None


def decisions(conn: psycopg.Connection[Any], mode: str | None = None) -> list[Decision]:
    """Return every decision, oldest first; of one fault mode or of all."""
    with conn.cursor(row_factory=kwargs_row(_decision)) as cursor:
        return cursor.execute(sql.load("models", "decisions"), {"fault_mode": mode}).fetchall()


def _decision(**row: Any) -> Decision:
    return msgspec.convert(row, Decision)


def decided_digests(past: Iterable[Decision]) -> dict[tuple[str, str], str]:
    """Return the digest of each model as of the last decision for it, by fault mode and version; none of before."""
    return {(one.fault_mode, one.version): one.digest for one in past if one.digest is not None}


def decided(conn: psycopg.Connection[Any]) -> dict[str, Champion]:
    """Return which model scores, by fault mode."""
    rows = conn.execute(sql.load("models", "champions")).fetchall()
    return {mode: Champion(version, digest) for mode, version, digest in rows}


def champion_versions(conn: psycopg.Connection[Any]) -> dict[str, str]:
    """Return the version that scores, by fault mode."""
    return {mode: champion.version for mode, champion in decided(conn).items()}


def champions(conn: psycopg.Connection[Any], data_dir: Path) -> list[TrainedModel]:
    """Return the model that scores for each fault mode that has one, by fault mode.

    Raises : ModelFileUntrusted, when the files of one cannot be read
    """
    return [champion_meta(data_dir, mode, version) for mode, version in sorted(champion_versions(conn).items())]


def challengers(conn: psycopg.Connection[Any], data_dir: Path) -> list[TrainedModel]:
    """Return the challenger of each fault mode that has one: the model trained last, unless it ever was champion."""
    been = {(one.fault_mode, one.version) for one in decisions(conn)}
    newest = (newest_model(data_dir, mode) for mode in sorted(champion_versions(conn)))
    return [meta for meta in newest if meta is not None and (meta.mode, meta.version) not in been]


def aliases(conn: psycopg.Connection[Any], data_dir: Path) -> dict[tuple[str, str], Alias]:
    """Return "champion" or "challenger" by fault mode and version, of those that are either."""
    adopt_pointers(conn, data_dir)
    named: dict[tuple[str, str], Alias] = {}
    for mode, version in champion_versions(conn).items():
        named[mode, version] = "champion"
    for meta in challengers(conn, data_dir):
        named[meta.mode, meta.version] = "challenger"
    return named


def adopt_pointers(conn: psycopg.Connection[Any], data_dir: Path, *, clock: Clock = utc_now) -> None:
    """Record the champions of an installation from before decisions were recorded, once.

    Where anything has been decided a pointer says nothing any more: whoever can write files decides nothing by one.
    """
    if decided(conn):
        return
    for mode, version in pointers(data_dir).items():
        try:
            digest = digest_of(data_dir, mode, version)
        except (NoModel, ModelFileUntrusted):
            digest = None
        _record_first(conn, mode, version, digest, reason=_FROM_POINTER, at=clock())


def record_first(conn: psycopg.Connection[Any], model: TrainedModel, *, data_dir: Path, at: datetime) -> bool:
    """Make a saved model champion of a fault mode that has none; return whether it had none.

    In the caller's transaction. Raises : NoModel, when it was not saved
    """
    digest = digest_of(data_dir, model.mode, model.version)
    return _record_first(conn, model.mode, model.version, digest, reason=FIRST_MODEL, at=at)


def promote(
    conn: psycopg.Connection[Any],
    mode: str,
    version: str,
    *,
    by: str,
    reason: str,
    data_dir: Path,
    force: bool = False,
    clock: Clock = utc_now,
) -> Decision:
    """Make one version the champion of its fault mode; the one that is it again, when its files have changed since.

    conn   : role "models", outside a transaction; committed
    force  : whatever the gate says, and whatever became of its files; the decision tells that it was so
    Raises : WorseThanChampion; ChangedSince; NothingToDecide, when it scores already; DecidedMeanwhile; UserMistake
             for a name or reason that is empty; NoModel, ModelFileUntrusted, ModelOutdated, when it could not score
    """
    adopt_pointers(conn, data_dir, clock=clock)
    loaded = load_model(data_dir, mode, version)
    challenger = loaded.meta
    past = decisions(conn, mode)
    checks: list[gate.Check] = []
    changed = False
    if past:
        if (past[-1].version, past[-1].digest) == (version, loaded.digest):
            raise NothingToDecide(f"{version} is the champion of {mode} already: 'forewarn models list' shows all")
        changed = decided_digests(past).get((mode, version), loaded.digest) != loaded.digest
        if changed and not force:
            raise ChangedSince(
                f"the files of {version} of {mode} are not those that were decided for: put them back from a backup;"
                " if you know why they are others, add --force with a reason that says so"
            )
        checks = gate.compare(_metrics_to_beat(data_dir, past[-1]), challenger.metrics)
    bad = gate.failed(checks)
    if bad and not force:
        raise WorseThanChampion(
            f"{version} of {mode} is not promoted: {'; '.join(map(str, bad))}; train a better one, or add --force"
            " with a reason that says why"
        )
    return _decide(
        conn,
        past,
        loaded,
        kind="promotion",
        by=by,
        reason=reason,
        forced=changed or bool(bad),
        checks=checks,
        at=clock(),
    )


def roll_back(
    conn: psycopg.Connection[Any], mode: str, *, by: str, reason: str, data_dir: Path, clock: Clock = utc_now
) -> Decision:
    """Make the version champion that was it before the one that is now.

    conn   : role "models", outside a transaction; committed
    Raises : NothingToDecide, when there was none; otherwise as ``promote``
    """
    adopt_pointers(conn, data_dir, clock=clock)
    past = decisions(conn, mode)
    line = line_of(past)
    if len(line) < 2:
        raise NothingToDecide(f"{mode} has no champion before this one: 'forewarn models list' shows what there is")
    before = next(one for one in reversed(past) if one.version == line[-2])
    target = load_model(data_dir, mode, before.version, digest=before.digest)
    return _decide(conn, past, target, kind="rollback", by=by, reason=reason, at=clock())


def line_of(past: list[Decision]) -> list[str]:
    """Return the champions of one mode that going back leads through, the present one last."""
    line: list[str] = []
    for one in past:
        if one.kind == "rollback":
            line.pop()
        elif line[-1:] != [one.version]:
            line.append(one.version)
    return line


def champion_meta(data_dir: Path, mode: str, version: str) -> TrainedModel:
    """Return what is known about a model that scores. Raises : ModelFileUntrusted"""
    try:
        return read_meta(data_dir, mode, version)
    except NoModel as error:
        raise _gone(mode, version) from error


def load_champion(data_dir: Path, mode: str, champion: Champion) -> LoadedModel:
    """Load a model that scores. Raises : ModelFileUntrusted, ModelOutdated"""
    try:
        return load_model(data_dir, mode, champion.version, digest=champion.digest)
    except NoModel as error:
        raise _gone(mode, champion.version) from error


def _gone(mode: str, version: str) -> ModelFileUntrusted:
    return ModelFileUntrusted(f"the files of {version}, the champion of {mode}, are gone: {what_instead(mode)}")


def _metrics_to_beat(data_dir: Path, champion: Decision) -> Mapping[str, float]:
    """Return the champion's metrics; nothing when its files are lost or others: only --force can follow that one."""
    try:
        return read_meta(data_dir, champion.fault_mode, champion.version, digest=champion.digest).metrics
    except (NoModel, ModelFileUntrusted):
        return {}


def _decide(
    conn: psycopg.Connection[Any],
    past: list[Decision],
    model: LoadedModel,
    *,
    kind: Kind,
    by: str,
    reason: str,
    at: datetime,
    forced: bool = False,
    checks: list[gate.Check] | None = None,
) -> Decision:
    mode = model.meta.mode
    if mode not in fault_modes():
        raise UserMistake(f"there is no fault mode {mode}: choose one of {', '.join(fault_modes())}")
    for option, text in (("--by", by), ("--reason", reason)):
        if not text.strip():
            raise UserMistake(f"{option} is empty: a decision needs a name and a reason")
    values = {
        "fault_mode": mode,
        "version": model.meta.version,
        "digest": model.digest,
        "replaced": past[-1].version if past else None,
        "kind": kind,
        "decided_by": by.strip(),
        "reason": reason.strip(),
        "forced": forced,
        "gate": Jsonb(msgspec.to_builtins(checks or [])),
        "decided_at": at,
        "follows": past[-1].promotion_id if past else None,
    }
    try:
        conn.execute(sql.load("models", "decide"), values)
    except psycopg.errors.UniqueViolation as error:
        conn.rollback()
        raise DecidedMeanwhile(
            f"somebody else has just decided about {mode}: look with 'forewarn models show {mode}', then decide again"
        ) from error
    conn.commit()
    return decisions(conn, mode)[-1]


def _record_first(
    conn: psycopg.Connection[Any], mode: str, version: str, digest: str | None, *, reason: str, at: datetime
) -> bool:
    values: Mapping[str, Any] = {
        "fault_mode": mode,
        "version": version,
        "digest": digest,
        "decided_by": _FOREWARN,
        "reason": reason,
        "decided_at": at,
    }
    return conn.execute(sql.load("models", "decide_first"), values).rowcount == 1
