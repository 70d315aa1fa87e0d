"""The command that says what the models are worth on data with a known answer."""

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from config.errors import UserMistake
from forewarn.cli.opening import say, settings_of_process

if TYPE_CHECKING:
    from forewarn.cli.evaluate_fleets import Models
    from models.benchmarks.turbofans import BenchmarkResult, UnitPrediction

_BENCHMARKS = ("cmapss",)
# Seeds from here on are those of fleets that nothing learns from (``forewarn.simulated_training`` has its own).
FIRST_SEED = 101


def evaluate(
    fleet: Annotated[
        Path | None, typer.Option(help="A fleet in files to score, in the layout of docs/fleet-files.md.")
    ] = None,
    models: Annotated[
        str, typer.Option(help="With --fleet: models trained on simulated fleets, or the store's champions.")
    ] = "simulated",
    real: Annotated[
        bool, typer.Option("--real", help="The recordings of real cars below --data, by the simulated-trained models.")
    ] = False,
    vehicles: Annotated[int, typer.Option(min=20, max=1_000_000, help="Cars in each simulated fleet.")] = 3000,
    days: Annotated[int, typer.Option(min=30, max=730, help="Days that each simulated fleet lives.")] = 180,
    faulty: Annotated[
        float, typer.Option(min=0.001, max=1, help="Share of simulated cars that something breaks in.")
    ] = 0.02,
    seed: Annotated[int, typer.Option(min=0, help="Of the first simulated fleet; the others follow.")] = FIRST_SEED,
    train_vehicles: Annotated[
        int | None, typer.Option(min=20, max=100_000, help="Cars in each fleet that is learnt from; default 1,000.")
    ] = None,
    train_days: Annotated[
        int | None, typer.Option(min=40, max=730, help="Days that each of those lives; default 180.")
    ] = None,
    processes: Annotated[int | None, typer.Option(min=1, help="By default one for each processor.")] = None,
    benchmark: Annotated[str | None, typer.Option(help="Public recordings with a known answer: cmapss.")] = None,
    set_name: Annotated[str, typer.Option("--set", help="Of cmapss: FD001, FD002, FD003 or FD004.")] = "FD001",
    data: Annotated[
        Path | None,
        typer.Option(help="Folder of recordings, or the one above them; default the setting benchmark_data."),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(min=1, max=100, help="How many fleets, or times, each with randomness of its own; default 3, 5."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of predictions.csv and the reports; with --benchmark the file of predictions."),
    ] = None,
    tune: Annotated[
        bool, typer.Option("--tune", help="Repeat the search for the settings on training units; no test is scored.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure what the models are worth: on simulated fleets they never saw, on a fleet in files, on recordings.

    docs/evaluation.md tells what counts as what, docs/benchmark-cmapss.md what is measured on engines.

    Example: forewarn evaluate --fleet ~/fleet --out ~/result --json
    """
    asked = {"--fleet": fleet is not None, "--real": real, "--benchmark": benchmark is not None}
    several = [option for option, given in asked.items() if given]
    if len(several) > 1:
        raise UserMistake(f"{several[0]} and {several[1]} are two evaluations: leave one out")
    if tune and benchmark is None:
        raise UserMistake("--tune is about a benchmark: name it, as --benchmark cmapss")
    if benchmark is not None:
        if benchmark not in _BENCHMARKS:
            raise UserMistake(f"there is no benchmark {benchmark}: choose {' or '.join(_BENCHMARKS)}")
        folder = data or settings_of_process().benchmark_data
        if tune:
            _tune_cmapss(folder, as_json=as_json)
        else:
            _evaluate_cmapss(set_name, data=folder, seeds=seeds or 5, out=out, as_json=as_json)
        return
    from forewarn.cli.evaluate_fleets import Run, evaluate_folder, evaluate_real, evaluate_simulated
    from forewarn.evaluation.trained import training_plans

    run = Run(
        vehicles=vehicles,
        days=days,
        sets=seeds or 3,
        first_seed=seed,
        faulty=faulty,
        training=training_plans(vehicles=train_vehicles, days=train_days),
        processes=processes,
        out=out,
    )
    if fleet is not None:
        evaluate_folder(fleet, run, _models_of(models), as_json=as_json)
    elif real:
        evaluate_real(data or settings_of_process().benchmark_data, run, as_json=as_json)
    else:
        evaluate_simulated(run, as_json=as_json)


def _models_of(text: str) -> "Models":
    for known in ("simulated", "champions"):
        if text == known:
            return known
    raise UserMistake(f"--models {text}: choose simulated or champions")


def _evaluate_cmapss(set_name: str, *, data: Path, seeds: int, out: Path | None, as_json: bool) -> None:
    from forewarn.progress import progress_bar
    from models.benchmarks.turbofans import evaluate_set

    with progress_bar(f"Learning from C-MAPSS {set_name}", total=seeds + 1) as advance:
        result = evaluate_set(set_name, data=data, seeds=seeds, progress=lambda what, done, total: advance(done))
    target = out
    if target is None and result.mean is None:
        # Its truth is not public: the predictions are all there is.
        target = Path(f"cmapss-{set_name}-predictions.csv")
    if target is not None:
        _write(target, result.predictions)
        say(f"{len(result.predictions)} predictions are in {target}")
    if as_json:
        print(json.dumps(_facts(result, target), indent=2))
    else:
        _show(result)


def _tune_cmapss(data: Path, *, as_json: bool) -> None:
    from models.benchmarks.tuning import tune

    trials = []
    for trial in tune(data=data):
        facts = {"question": trial.question, "answer": trial.answer, **trial.rmse, "mean": trial.mean}
        trials.append(facts)
        if not as_json:
            figures = ", ".join(f"{name} {value:.2f}" for name, value in [*trial.rmse.items(), ("mean", trial.mean)])
            print(f"{trial.question}: {trial.answer}: {figures}", flush=True)
    if as_json:
        print(json.dumps({"trials": trials}, indent=2))


def _facts(result: "BenchmarkResult", out: Path | None) -> dict[str, Any]:
    """The figures at the top are means over seeds; null where there is no truth to judge by."""
    import msgspec

    from models.benchmarks.turbofans import Scores

    facts: dict[str, Any] = msgspec.to_builtins(result)
    figures = facts.pop("mean") or dict.fromkeys(Scores.__struct_fields__)
    del facts["predictions"]
    return {**figures, **facts, "out": None if out is None else str(out)}


def _show(result: "BenchmarkResult") -> None:
    if result.mean is None or result.averaged is None:
        print(f"C-MAPSS {result.set}: {result.n_units} units predicted; what was true is not public")
        return
    mean, averaged = result.mean, result.averaged
    spread = "" if result.rmse_deviation is None else f" ± {result.rmse_deviation:.2f}"
    print(
        f"C-MAPSS {result.set}, {result.n_units} units, mean of {len(result.seeds)} seeds:\n"
        f"  RMSE capped at {result.cap:g}: {mean.rmse_capped:.2f}{spread}, uncapped {mean.rmse_uncapped:.2f}\n"
        f"  PHM score capped: {mean.phm_score:.0f}, uncapped {mean.phm_score_uncapped:.0f}\n"
        f"  intervals: {mean.interval_coverage:.0%} hold the truth, {result.stated_coverage:.0%} are to; "
        f"{mean.interval_width:.0f} cycles wide\n"
        f"  all seeds averaged: RMSE capped {averaged.rmse_capped:.2f}"
    )


def _write(file: Path, predictions: "list[UnitPrediction]") -> None:
    try:
        with file.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow(["unit", "cycle", "cycles_left", "low", "high", "truth"])
            for one in predictions:
                truth = "" if one.truth is None else one.truth
                writer.writerow([one.unit, one.cycle, one.days, one.low, one.high, truth])
    except OSError as error:
        raise UserMistake(f"{file} cannot be written ({error.strerror}): name another file with --out") from error


def add_to(main: typer.Typer) -> None:
    """Register the command."""
    main.command()(evaluate)
