"""The parts of the command that score whole fleets: simulated ones nobody learnt from, and any in files."""

import csv
import json
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from config.errors import UserMistake
from forewarn.cli.opening import dsn_of, opened, say, settings_of_process
from forewarn.progress import progress_bar

if TYPE_CHECKING:
    from config.settings import Settings
    from forewarn.evaluation.fleets import Given
    from forewarn.evaluation.results import Evaluation
    from forewarn.evaluation.scored import Contender, FleetRows, Scored
    from forewarn.simulator.fleet import FleetPlan

Models = Literal["simulated", "champions"]
PREDICTIONS = "predictions.csv"
_REPORTS = "evaluation"


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for."""

    vehicles: int
    days: int
    sets: int
    first_seed: int
    faulty: float
    training: "tuple[FleetPlan, ...]"
    processes: int | None
    out: Path | None


def evaluate_simulated(run: Run, *, as_json: bool) -> None:
    """Score simulated fleets whose seeds no model has seen, and report."""
    from forewarn.evaluation.fleets import set_plans, simulated_rows
    from forewarn.evaluation.results import Examination
    from forewarn.evaluation.scored import features_behind

    settings = settings_of_process()
    if {plan.seed for plan in run.training} & set(range(run.first_seed, run.first_seed + run.sets)):
        raise UserMistake(f"--seed {run.first_seed}: the models learnt from fleets of these seeds; choose another one")
    contenders, about = _contenders(settings, run)
    features = features_behind(contenders)
    examination = Examination()
    plans = set_plans(
        sets=run.sets,
        vehicles=run.vehicles,
        days=run.days,
        faulty_share=run.faulty,
        first_seed=run.first_seed,
    )
    for plan in plans:
        name = f"seed {plan.seed}, to {plan.end:%Y-%m-%d}"
        with progress_bar(f"Simulating {plan.vehicles:,} cars ({name})", total=plan.vehicles) as advance:
            fleet = simulated_rows(plan, features, processes=run.processes, on_progress=advance)
        examination.add(name, fleet, _scored(contenders, fleet, name), until=plan.end)
    asked = {"vehicles": run.vehicles, "days": run.days, "seeds": [plan.seed for plan in plans], "faulty": run.faulty}
    command = (
        f"forewarn evaluate --vehicles {run.vehicles} --days {run.days} --seeds {run.sets} "
        f"--seed {run.first_seed} --faulty {run.faulty:g}"
    )
    evaluation = examination.evaluation(about=about, settings={**asked, "command": command}, made_at=datetime.now(UTC))
    _tell(evaluation, run.out or settings.data_dir / _REPORTS, extra={}, as_json=as_json)


def evaluate_folder(directory: Path, run: Run, models: Models, *, as_json: bool) -> None:
    """Score a fleet in files, write whom it names, and report where the truth is there."""
    from forewarn.evaluation.fleets import rows_of_folder, truth_of_folder
    from forewarn.evaluation.results import MODEL, Examination
    from forewarn.evaluation.scored import features_behind, score_fleet
    from forewarn.fleet_folder import open_folder

    settings = settings_of_process()
    # What is wrong with folders is said before anything is trained.
    folder, out = open_folder(directory), _prepared(run.out or Path.cwd())
    if models == "champions":
        contenders, about = _champions()
    else:
        contenders, about = _contenders(settings, run)
    with (
        _scratch(settings) as scratch,
        progress_bar(f"Reading {len(folder.telemetry)} days", total=len(folder.telemetry)) as on_days,
        progress_bar(f"Working out {len(folder.vehicles):,} cars", total=len(folder.vehicles)) as on_cars,
    ):
        given = rows_of_folder(
            directory,
            features_behind(contenders),
            scratch=scratch,
            processes=run.processes,
            on_days=on_days,
            on_cars=on_cars,
        )
    fleet = given.rows
    said = score_fleet(contenders[0], fleet)
    written = _write_predictions(out, said, fleet.vins)
    say(f"{len(said.warnings)} predictions are in {written}")
    facts = {"predictions": str(written), "warnings": len(said.warnings), "fleet": _facts_of(given)}
    truth = truth_of_folder(directory, fleet.vins)
    if truth is None:
        facts["truth"] = None
        print(json.dumps(facts, indent=2) if as_json else _folder_in_words(given))
        return
    fleet = _with_truth(fleet, truth)
    scored = {MODEL: said, **_scored(contenders[1:], fleet, directory.name)}
    examination = Examination()
    examination.add(directory.name, fleet, scored, until=given.until)
    evaluation = examination.evaluation(
        about=about, settings={"fleet": str(directory), "models": models}, made_at=datetime.now(UTC)
    )
    if not as_json:
        print(_folder_in_words(given))
    _tell(evaluation, out / _REPORTS, extra=facts, as_json=as_json)


def _with_truth(fleet: "FleetRows", truth: Any) -> "FleetRows":
    from dataclasses import replace

    return replace(fleet, faults=truth)


def _contenders(settings: "Settings", run: Run) -> tuple[list["Contender"], dict[str, Any]]:
    """Return models trained on simulated fleets, and what they have to beat."""
    from forewarn.evaluation.trained import contenders_on_simulated

    with progress_bar("Training on simulated fleets", total=None) as advance:
        # One bar for all: what is under way is said when it begins.
        said: list[str] = []

        def tell(what: str, done: int, total: int) -> None:
            if what not in said:
                said.append(what)
                say(what)
            advance(done)

        return contenders_on_simulated(run.training, data_dir=settings.data_dir, processes=run.processes, progress=tell)


def _champions() -> tuple[list["Contender"], dict[str, Any]]:
    """Return the models that the database names."""
    from forewarn.evaluation.trained import champions_as_contender
    from ingest.store.connection import connect

    with opened() as settings, connect(dsn_of(settings), role="models") as conn:
        return champions_as_contender(conn, settings.data_dir)


def _scored(contenders: Sequence["Contender"], fleet: "FleetRows", name: str) -> dict[str, "Scored"]:
    from forewarn.evaluation.scored import score_fleet

    found = {}
    with progress_bar(f"Scoring {name}", total=len(contenders)) as advance:
        for number, contender in enumerate(contenders, start=1):
            found[contender.name] = score_fleet(contender, fleet)
            advance(number)
    return found


@contextmanager
def _scratch(settings: "Settings") -> Any:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="evaluate-", dir=settings.data_dir) as folder:
        yield Path(folder)


def _prepared(out: Path) -> Path:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserMistake(f"{out} is no folder ({error.strerror}): name another one with --out") from error
    return out


def _write_predictions(out: Path, said: "Scored", vins: Mapping[int, str]) -> Path:
    """Write every warning: a car that is named again after it had been calm is there again."""
    file = out / PREDICTIONS
    try:
        with file.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow(["vin", "fault_mode", "first_flagged_at"])
            for vehicle_id, mode, at in said.warnings.itertuples(index=False):
                writer.writerow([vins[vehicle_id], mode, at.strftime("%Y-%m-%dT%H:%M:%SZ")])
    except OSError as error:
        raise UserMistake(f"{file} cannot be written ({error.strerror}): name another folder with --out") from error
    return file


def _facts_of(given: "Given") -> dict[str, Any]:
    seen = given.found.seen
    return {
        "vehicles": len(given.rows.vins),
        "days": len(given.found.days),
        "readings": seen.readings,
        "repeated_readings": seen.repeated,
        "readings_without_time": seen.timeless,
        "unknown_signals": list(given.found.unknown),
        "missing_signals": list(given.found.missing),
        "unknown_vehicles": sorted(seen.strangers),
    }


def _folder_in_words(given: "Given") -> str:
    facts = _facts_of(given)
    lines = [f"{facts['vehicles']:,} cars, {facts['readings']:,} readings ({facts['repeated_readings']:,} came twice)"]
    for name, what in (
        ("unknown_signals", "signals that nobody knows"),
        ("missing_signals", "signals that no car sent"),
        ("unknown_vehicles", "cars that vehicles.parquet does not have"),
    ):
        if facts[name]:
            shown = ", ".join(facts[name][:8]) + (", …" if len(facts[name]) > 8 else "")
            lines.append(f"{what}: {len(facts[name])} ({shown})")
    return "\n".join(lines)


def _tell(evaluation: "Evaluation", folder: Path, *, extra: Mapping[str, Any], as_json: bool) -> None:
    from forewarn.evaluation.report import write_reports
    from forewarn.evaluation.results import MODEL

    reports = write_reports(evaluation, folder)
    found = evaluation.together[MODEL]
    if as_json:
        headline = {
            name: value for name, value in msgspec.to_builtins(found).items() if not isinstance(value, dict | list)
        }
        headline |= {
            "f1_spread": evaluation.spread[MODEL].spread,
            "lead_median_d": found.lead_gradual.median_d,
            "lead_p10_d": found.lead_gradual.p10_d,
            "lead_share_24h": found.lead.share_24h,
        }
        print(json.dumps({**headline, **extra, **msgspec.to_builtins(evaluation), "reports": reports}, indent=2))
        return
    for goal in evaluation.goals:
        reached = "–" if goal.reached is None else f"{goal.reached:.3f}"
        print(f"{goal.name}: {reached} ({goal.wanted} {goal.limit:g}{'' if goal.ok else ': not reached'})")
    for name, one in evaluation.together.items():
        f1 = "–" if one.f1 is None else f"{one.f1:.3f}"
        print(f"F1 of {name}: {f1}; {one.false_per_1000_car_months:.2f} false invitations per 1,000 car-months")
    print(f"the report is {reports['html']}")


def evaluate_real(data: Path, run: Run, *, as_json: bool) -> None:
    """Score recordings of real cars with models that learnt from simulated ones."""
    from forewarn.evaluation.recordings import evaluate_recordings

    settings = settings_of_process()
    if not data.is_dir():
        raise UserMistake(f"there is no folder {data}: name the one that holds the recordings with --data")
    contenders, about = _contenders(settings, run)
    told = evaluate_recordings(data, contenders[0])
    if as_json:
        print(json.dumps({"about": about, "recordings": msgspec.to_builtins(told)}, indent=2))
        return
    for one in told:
        note = f" ({one.note})" if one.note else ""
        print(f"{one.recording}{note}: {one.days} days scored, {one.readings:,} readings")
        for mode, at in one.warnings[:5]:
            print(f"  {at:%Y-%m-%d}: {mode}")
        if not one.warnings:
            print("  no warning")
