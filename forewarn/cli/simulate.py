"""Commands that simulate: a fleet, published, written to files or put into the store."""

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from config.errors import UserMistake
from forewarn.cli.arguments import instant, times_of
from forewarn.cli.opening import dsn_of, opened, say
from forewarn.cli.outcomes import in_words
from forewarn.cli.simulate_charging import charging
from forewarn.cli.simulate_operator import operator
from forewarn.cli.simulate_realism import realism

if TYPE_CHECKING:
    from config.settings import Settings
    from forewarn.simulator import FleetPlan
    from forewarn.simulator.files import Written

app = typer.Typer(help="Simulate cars and chargers.", no_args_is_help=True)
app.command()(charging)
app.command()(operator)
app.command()(realism)

_WAYS = ("mqtt", "store")


@app.command()
def fleet(
    vehicles: Annotated[int, typer.Option(min=1, max=100_000, help="Cars in the fleet.")] = 120,
    days: Annotated[int, typer.Option(min=1, max=800, help="Days they live.")] = 60,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same fleet.")] = 1,
    to: Annotated[
        str,
        typer.Option(help="mqtt: publish every reading; store: rollups straight into the database; or a new folder."),
    ] = "mqtt",
    end: Annotated[
        str | None, typer.Option(help="When the fleet's last day ends, as 2026-03-01T00:00:00Z; last midnight (UTC).")
    ] = None,
    faulty: Annotated[float, typer.Option(min=0, max=1, help="Share of cars that something breaks in.")] = 0.02,
    faults: Annotated[
        str | None, typer.Option(help="Only these fault modes of config/faults.toml, with commas; in turn.")
    ] = None,
    step: Annotated[
        float | None, typer.Option(min=1, help="Seconds between reports under way; by car one of 10, 15, 20, 30.")
    ] = None,
    charge_step: Annotated[float, typer.Option(min=1, help="Seconds between reports while charging.")] = 30,
    cells_step: Annotated[float, typer.Option(min=1, help="Seconds between reports that have all cells.")] = 60,
    stations: Annotated[
        int, typer.Option(min=0, max=10_000, help="Charging stations where the fleet's cars and others charge.")
    ] = 0,
    raw: Annotated[int, typer.Option(min=0, help="With --to store: cars whose every reading is stored too.")] = 20,
    replace: Annotated[
        bool, typer.Option("--replace", help="With --to store: remove what is stored of these cars first.")
    ] = False,
    speed: Annotated[str, typer.Option(help="With --to mqtt: how many times faster than it happened, or max.")] = "max",
    live: Annotated[
        bool,
        typer.Option("--live", help="With --to mqtt: the fleet begins now; every message goes out when it is due."),
    ] = False,
    truth: Annotated[
        Path | None, typer.Option(help="Where the truth goes; a folder of its own beside the data by default.")
    ] = None,
    processes: Annotated[int | None, typer.Option(min=1, help="By default one for each processor.")] = None,
    no_ingest: Annotated[bool, typer.Option("--no-ingest", help="Leave storing to workers elsewhere.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Simulate a fleet whose faults grow, and publish it, write it to files or put it into the store.

    Its cars are enrolled first, with their owners' consent. What was really wrong is kept apart: docs/simulator.md.

    Example: forewarn simulate fleet --vehicles 1000 --days 180 --seed 1 --to store
    """
    from forewarn.simulator import FleetPlan, Sampling
    from forewarn.simulator.faults import DEAL

    pace = times_of(speed)
    _check(to, live=live, given={"--end": end is not None, "--speed": pace is not None})
    plan = _plan(
        FleetPlan,
        vehicles=vehicles,
        days=days,
        seed=seed,
        end=datetime.now(UTC) + timedelta(days=days) if live else _end(end),
        faulty_share=faulty,
        sampling=Sampling(step, charge_step, cells_step),
        modes=DEAL if faults is None else _modes(faults),
    )
    if to == "mqtt":
        result = _publish(
            plan, pace, stations=stations, live=live, truth=truth, processes=processes, no_ingest=no_ingest
        )
    elif to == "store":
        if stations:
            raise UserMistake("--stations is about what is published: leave it out with --to store")
        result = _store(plan, raw=raw, replace=replace, truth=truth, processes=processes)
    else:
        written = _write(plan, Path(to), stations=stations, truth=truth, processes=processes)
        result = {"to": to, **written.summary}
    print(json.dumps(result) if as_json else _in_words(result))


def _check(to: str, *, live: bool, given: dict[str, bool]) -> None:
    if not to or (to.lower() in _WAYS and to not in _WAYS):
        raise UserMistake(f"--to {to!r} is no way out: use {', '.join(_WAYS)} or the name of a new folder")
    if to != "mqtt" and (live or given["--speed"]):
        raise UserMistake(f"--speed and --live are about publishing: leave them out, or use --to mqtt instead of {to}")
    both = [option for option, is_given in given.items() if is_given]
    if live and both:
        raise UserMistake(f"--live begins now and takes as long as it takes: leave {both[0]} out")


def _plan(of: "type[FleetPlan]", **values: Any) -> "FleetPlan":
    try:
        return of(**values)
    except (ValueError, OverflowError) as error:
        raise UserMistake(f"there is no such fleet: {error}") from error


def _end(text: str | None) -> datetime:
    if text is None:
        return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return instant(text, option="--end", example="2026-03-01T00:00:00Z")


def _modes(text: str) -> tuple[str, ...]:
    from config.faults import fault_modes

    chosen = tuple(mode.strip() for mode in text.split(",") if mode.strip())
    unknown = [mode for mode in chosen if mode not in fault_modes()]
    if unknown or not chosen:
        raise UserMistake(f"--faults {text}: no fault mode {', '.join(unknown)}; there are {', '.join(fault_modes())}")
    return chosen


def _write(
    plan: "FleetPlan", directory: Path, *, stations: int, truth: Path | None, processes: int | None
) -> "Written":
    from forewarn.progress import progress_bar
    from forewarn.simulator.files import write_fleet

    with progress_bar(f"Simulating {plan.vehicles:,} cars for {plan.days} days", total=plan.vehicles) as advance:
        return write_fleet(plan, directory, stations=stations, truth=truth, processes=processes, on_progress=advance)


def _publish(
    plan: "FleetPlan",
    pace: float | None,
    *,
    stations: int,
    live: bool,
    truth: Path | None,
    processes: int | None,
    no_ingest: bool,
) -> dict[str, Any]:
    """Write the fleet to files first: in the order of receipt it would not fit into memory."""
    from forewarn.delivery import deliver, ingest_beside
    from forewarn.progress import progress_bar
    from forewarn.publish import paced, when_due
    from forewarn.simulator.filed import published
    from forewarn.simulator.fleet import draw_cars
    from ingest.store.connection import connect
    from ingest.store.enrolment import enrol

    with opened(broker=True) as settings:
        kept = truth or _truth_folder(settings, plan)
        with TemporaryDirectory(prefix="fleet-", dir=settings.data_dir) as folder:
            directory = Path(folder) / "fleet"
            written = _write(plan, directory, stations=stations, truth=kept, processes=processes)
            with connect(dsn_of(settings), role="admin") as conn:
                enrol(conn, [draw.enrolment for draw in draw_cars(plan)], chosen_at=plan.start)
            with (
                ingest_beside(settings, wanted=not no_ingest),
                progress_bar("Publishing the fleet", total=written.readings + written.events) as advance,
            ):
                messages = published(directory, written.traffic)
                if live:
                    messages = when_due(messages)
                elif pace is not None:
                    messages = paced(messages, speed=pace)
                done = deliver(messages, settings, on_progress=advance)
    return {"to": "mqtt", **written.summary, "truth": str(kept), "outcomes": asdict(done), "in_words": in_words(done)}


def _store(plan: "FleetPlan", *, raw: int, replace: bool, truth: Path | None, processes: int | None) -> dict[str, Any]:
    from forewarn.progress import progress_bar
    from forewarn.simulator.into_store import store_fleet

    with opened() as settings:
        kept = truth or _truth_folder(settings, plan)
        with progress_bar(f"Simulating {plan.vehicles:,} cars for {plan.days} days", total=plan.vehicles) as advance:
            stored = store_fleet(
                plan,
                settings,
                raw=raw,
                truth=kept,
                replace=replace,
                processes=processes,
                on_progress=advance,
                say=say,
            )
    return {"to": "store", "truth": str(kept), **asdict(stored), "in_words": stored.in_words}


def _truth_folder(settings: "Settings", plan: "FleetPlan") -> Path:
    """Return where the truth of this plan goes; the same plan comes to the same place."""
    last = (plan.end.astimezone(UTC) - timedelta(microseconds=1)).date()
    return settings.data_dir / "truth" / f"seed-{plan.seed}-{plan.vehicles}-cars-{plan.days}-days-to-{last}"


def _in_words(result: dict[str, Any]) -> str:
    line = (
        f"{result['vehicles']:,} cars, {result['readings']:,} readings, {result['events']:,} lamp events; "
        f"checksum {result['checksum']}"
    )
    further = [str(result["in_words"])] if "in_words" in result else []
    if "truth" in result:
        further.append(f"what was really wrong: {result['truth']}")
    return "\n".join([line, *further])
