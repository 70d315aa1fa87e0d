"""The command that says what the models are worth on data with a known answer."""

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from config.errors import UserMistake
from forewarn.cli.opening import say, settings_of_process

if TYPE_CHECKING:
    from models.benchmarks.turbofans import BenchmarkResult, UnitPrediction

_BENCHMARKS = ("cmapss",)


def evaluate(
    benchmark: Annotated[str | None, typer.Option(help="Public recordings with a known answer: cmapss.")] = None,
    set_name: Annotated[str, typer.Option("--set", help="Of cmapss: FD001, FD002, FD003 or FD004.")] = "FD001",
    data: Annotated[
        Path | None,
        typer.Option(help="Folder of its files, or the one above a folder cmapss; default the setting benchmark_data."),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, max=100, help="How many times, each with randomness of its own.")] = 5,
    out: Annotated[Path | None, typer.Option(help="Write a prediction for each test unit to this CSV file.")] = None,
    tune: Annotated[
        bool, typer.Option("--tune", help="Repeat the search for the settings on training units; no test is scored.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure features and trainers on recordings with a known answer.

    docs/benchmark-cmapss.md tells what is measured and what came out.

    Example: forewarn evaluate --benchmark cmapss --set FD001 --data ~/cmapss --json
    """
    if benchmark is None:
        raise UserMistake("nothing to evaluate: name a benchmark, as --benchmark cmapss")
    if benchmark not in _BENCHMARKS:
        raise UserMistake(f"there is no benchmark {benchmark}: choose {' or '.join(_BENCHMARKS)}")
    folder = data or settings_of_process().benchmark_data
    if tune:
        _tune_cmapss(folder, as_json=as_json)
    else:
        _evaluate_cmapss(set_name, data=folder, seeds=seeds, out=out, as_json=as_json)


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
