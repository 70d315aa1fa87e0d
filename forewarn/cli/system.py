"""Commands about the system as a whole: demo, up, status, migrate, schedule, serve."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from forewarn.cli.opening import dsn_of, opened, say, say_what_store_costs, settings_of_process
from forewarn.cli.outcomes import in_words
from forewarn.cli.serving import check_free, say_who_may_sign_in, serve_list

if TYPE_CHECKING:
    from forewarn.demo import DemoResult
    from forewarn.demo_charging import ChargingShown


def demo(
    vehicles: Annotated[int, typer.Option(min=1, max=5000, help="Cars in the simulated fleet.")] = 120,
    days: Annotated[int, typer.Option(min=2, max=400, help="Days they have driven.")] = 60,
    seed: Annotated[int, typer.Option(help="The same seed gives the same fleet.")] = 1,
    no_serve: Annotated[bool, typer.Option("--no-serve", help="End when everything was shown.")] = False,
) -> None:
    """Show it all: a simulated fleet, up to the call list, and a danger while charging.

    Real MQTT, database, model and schedule, in a folder of its own below the
    data folder; every demo begins afresh.

    Example: forewarn demo --vehicles 120 --days 60 --no-serve
    """
    from forewarn.demo import run_demo

    settings = settings_of_process()
    if not no_serve:
        # Better now than after two minutes.
        check_free(settings)
    run_demo(
        settings,
        vehicles=vehicles,
        days=days,
        seed=seed,
        show=lambda result: _show(result, served=not no_serve),
        show_charging=lambda shown: _show_charging(shown, address=settings.web.address, language=settings.language),
        serve=None if no_serve else serve_list,
        say=say,
    )


def _show(result: "DemoResult", *, served: bool) -> None:
    from alerts.call_list import to_table
    from forewarn.cli.tables import console

    print(in_words(result.outcomes))
    console().print(to_table(result.top, language=result.settings.language))
    web = result.settings.web
    address, serve_it = web.address, f"FOREWARN_DATA_DIR={result.data_dir} {_program()} serve"
    if served:
        print(f"Work list: {address}")
        print(f"Serve it again: {serve_it}")
    else:
        print(f"The work list is not served now. Serve it at {address}: {serve_it}")
    print(f"Sign in as {' or '.join(result.accounts)}, with the password {result.password}")
    print(f"The whole list: FOREWARN_DATA_DIR={result.data_dir} {_program()} alerts list --format json")


def _show_charging(shown: "ChargingShown", *, address: str, language: str) -> None:
    from alerts.charging import wording
    from config.dangers import dangers

    case = shown.case
    place = " / ".join(part for part in (case.operator, case.station, case.connector) if part)
    print(f"Danger while charging: {dangers()[case.kind].name(language)}, severity {case.severity}, at {place}")
    for stop in case.actions:
        print(f"  {wording.stop_target(stop.target, language)}: {wording.stop_state(stop.state, language)}")
    print(f"  The owner was sent: {shown.owner_title}")
    print(f"    {shown.owner_text}")
    print(f"  Messages to owners: {shown.message_file}")
    print(f"Safety desk: {address.rstrip('/')}/safety")


def _program() -> str:
    return sys.argv[0] if sys.argv[0].endswith("forewarn") else "forewarn"


def up() -> None:
    """Run the whole system until Ctrl-C.

    Servers, ingest, the watch over charging, schedule and work list, each
    restarted when it ends.

    Example: forewarn up
    """
    import threading

    from alerts.charging.partners.serving import bind, check_listening
    from forewarn.delivery import ingest_workers, only_ingest
    from forewarn.embedded.keeper import kept_alive
    from forewarn.supervisor import Child, Supervisor, child_environment, stop_on_signals

    stop = threading.Event()
    stop_on_signals(stop)
    with opened(broker=True, patient=True) as settings:
        check_free(settings)
        check_listening(settings.partners)
        bind(settings.partners).close()
        children = [
            *ingest_workers(settings),
            Child("charging", ("charging", "run", "--child")),
            Child("schedule", ("schedule", "--child")),
            Child("web", ("serve", "--child")),
        ]
        with only_ingest(settings), kept_alive(settings, say=say):
            say_what_store_costs(settings)
            say(f"MQTT {settings.mqtt.host}:{settings.mqtt.port}")
            say(f"Work list {settings.web.address}")
            say_who_may_sign_in(settings)
            say(f"Partners {settings.partners.address()}/docs")
            say("Ctrl-C ends everything.")
            Supervisor(children, environment=child_environment(settings)).run(stop)


def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say how each part is doing.

    The exit code is 1 when one does not work.

    Example: forewarn status --json
    """
    from forewarn.status import look, to_json

    found = look(settings_of_process())
    if as_json:
        print(to_json(found))
    else:
        for part in found.parts:
            print(f"{'ok  ' if part.ok else 'DOWN'}  {part.name:<9} {part.detail}")
        if found.store_advice is not None:
            print(f"      store     {found.store_advice}")
        if found.vehicles is not None:
            counts = ", ".join(f"{count:,} {outcome}" for outcome, count in found.samples.items())
            print(f"      samples   {counts}; last at {found.last_sample_at or 'no time'}")
            for lane in found.lanes:
                settled = f"{lane.stored:,} stored + {lane.duplicate:,} duplicate + {lane.dead:,} dead"
                equals = "=" if lane.balanced else "DOES NOT EQUAL"
                settled += f" + {lane.refused:,} refused; + {lane.in_flight:,} messages in flight"
                print(f"      {lane.lane:<9} {lane.received:,} received {equals} {settled}")
            print(
                f"      cars      {found.vehicles:,} enrolled, {found.open_cases:,} open cases, "
                f"{found.dead_letters:,} dead letters"
            )
            for job, at in found.last_runs.items():
                print(f"      {job:<9} last ended well at {at}")
    if not found.ok:
        raise typer.Exit(1)


def migrate() -> None:
    """Bring the database to this version.

    Example: FOREWARN_DATABASE__DSN=postgresql://forewarn@db/forewarn forewarn migrate
    """
    from forewarn.embedded import services
    from ingest.store.migrate import migrate as migrate_database
    from ingest.store.version import head

    with services(settings_of_process(), broker=False) as settings:
        migrate_database(dsn_of(settings), settings.store)
        say_what_store_costs(settings)
    print(f"the database is at {head()}")


def schedule(
    child: Annotated[bool, typer.Option("--child", hidden=True)] = False,
) -> None:
    """Score, triage and train when they are due.

    Runs until Ctrl-C. Of several, one works and the others wait to take over.

    Example: forewarn schedule
    """
    import threading

    from forewarn.schedule import JobContext, run_elected
    from forewarn.supervisor import stop_on_signals, stop_when_parent_ends

    stop = threading.Event()
    stop_on_signals(stop)
    if child:
        stop_when_parent_ends(stop)
    with opened() as settings:
        run_elected(JobContext(settings), stopped=stop.wait)


def serve(
    child: Annotated[bool, typer.Option("--child", hidden=True)] = False,
) -> None:
    """Serve the work list on this machine until Ctrl-C.

    Example: FOREWARN_WEB__PORT=8081 forewarn serve
    """
    with opened() as settings:
        serve_list(settings, child=child)


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    for command in (demo, up, status, migrate, schedule, serve):
        app.command()(command)
