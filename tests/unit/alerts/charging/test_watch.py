"""Whole simulated sessions, judged second by second: what is dangerous is found in time, what is not is left alone."""

import json
from typing import Any

import pytest

from alerts.charging.rules import CarSample
from alerts.charging.seen import car_sample
from alerts.charging.watch import CarWatch, Finding, PileSample, PileWatch
from config.charging import charging_limits
from forewarn.simulator.charging import SessionRun
from forewarn.simulator.charging.run import Pace
from ingest.charging import charger_row, decode_charger
from ingest.telemetry import TelemetryDecoder
from tests.unit.forewarn.simulator.charging.conftest import make_run

DECODER = TelemetryDecoder()


def judged(run: SessionRun) -> list[Finding]:
    """Return what the rules find in a session, of the car's readings and of the pile's, in the order of time."""
    assert run.car is not None
    visit = run.session.visit
    assert visit is not None
    limits = charging_limits(visit.chemistry)
    car, pile, found = CarWatch(limits), PileWatch(limits), []
    events: list[tuple[int, bool, int]] = [(int(ts), True, row) for row, ts in enumerate(run.car.ts_ms)]
    events += [(int(ts), False, row) for row, ts in enumerate(run.pile.ts_ms)]
    for _, is_car, row in sorted(events):
        if is_car:
            (sample,) = DECODER.decode(run.car.message(row, live=True).payload, vin=run.car.vin).samples
            found += car.judge(car_sample(sample.ts, sample.signals))
        else:
            (measured,) = decode_charger(run.pile.message(row, live=True).payload).samples
            columns = charger_row(measured)
            names = ("voltage_v", "current_a", "power_kw", "gun_temp_c", "insulation_kohm")
            values = {name: columns.get(name) for name in names}
            found += pile.judge(PileSample(ts_ms=measured.ts, **values), car.last)
    return found


def stopping(found: list[Finding]) -> list[Finding]:
    return [finding for finding in found if finding.change != "off" and finding.severity <= 2]


def run_of(kind: str, chemistry: str, **values: Any) -> SessionRun:
    return make_run(kind=kind, chemistry=chemistry, nominal_v=354.0 if chemistry == "NMC" else 317.0, **values)


# The rule that answers each danger, and how long after its condition truly holds it may take: probes lag by seconds and
# see a share of the cell's heat, and what has to be held is held.
@pytest.mark.parametrize("chemistry", ["NMC", "LFP"])
@pytest.mark.parametrize(
    ("kind", "answers", "within_s"),
    [
        ("thermal_runaway", {"thermal_runaway", "temperature_rise", "cell_collapse", "over_temperature"}, 15),
        ("insulation_loss", {"insulation"}, 45),
        ("contact_heat", {"contact_heat"}, 45),
        ("over_voltage", {"over_charge"}, 300),
        ("disagreement", {"disagreement"}, 180),
    ],
)
def test_a_danger_is_found_soon_after_its_condition_holds(
    kind: str, answers: set[str], within_s: float, chemistry: str
) -> None:
    run = run_of(kind, chemistry, strength=1.0, seed=3, soc_end=0.95, pace=Pace(pile_s=1, car_s=1))
    (truth,) = run.truth
    assert truth.condition_ms is not None, "strong enough to come to it"
    found = [finding for finding in stopping(judged(run)) if finding.kind in answers]
    assert found, f"{kind} is not found"
    late_s = (found[0].ts_ms - truth.condition_ms) / 1000
    assert late_s <= within_s
    assert found[0].ts_ms >= truth.onset_ms


@pytest.mark.parametrize("chemistry", ["NMC", "LFP"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_sound_charge_is_left_alone(chemistry: str, seed: int) -> None:
    run = run_of(None, chemistry, seed=seed, soc_end=0.97)  # type: ignore[arg-type]
    assert judged(run) == []


@pytest.mark.parametrize("chemistry", ["NMC", "LFP"])
@pytest.mark.parametrize("kind", ["hot_day", "noisy_sensor", "rain"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_near_miss_stops_nothing(kind: str, chemistry: str, seed: int) -> None:
    assert stopping(judged(run_of(kind, chemistry, seed=seed))) == []


def sample(second: float, **values: Any) -> CarSample:
    return CarSample(ts_ms=round(second * 1000), **values)


def hot_watch() -> CarWatch:
    watch = CarWatch(charging_limits("NMC"))
    for second in range(4):
        watch.judge(sample(second, probe_max_c=62.0, is_charging=True), heard_at_s=float(second))
    return watch


def test_silence_in_a_danger_is_a_danger_once() -> None:
    watch = hot_watch()
    assert watch.silent(12.9, now_ms=0, listening_since_s=0.0) is None
    gap = watch.silent(13.1, now_ms=13_100, listening_since_s=0.0)
    assert gap is not None
    assert (gap.kind, gap.severity, gap.change) == ("data_gap", 1, "on")
    assert watch.silent(14.0, now_ms=14_000, listening_since_s=0.0) is None


def test_silence_without_a_danger_is_none() -> None:
    watch = CarWatch(charging_limits("NMC"))
    watch.judge(sample(0, probe_max_c=30.0, is_charging=True), heard_at_s=0.0)
    assert watch.silent(60.0, now_ms=60_000, listening_since_s=0.0) is None


def test_silence_while_we_did_not_listen_is_ours() -> None:
    assert hot_watch().silent(60.0, now_ms=0, listening_since_s=55.0) is None


def test_a_car_that_is_heard_again_ends_the_gap() -> None:
    watch = hot_watch()
    gap = watch.silent(20.0, now_ms=20_000, listening_since_s=0.0)
    assert gap is not None
    found = watch.judge(sample(25, probe_max_c=62.0), heard_at_s=25.0)
    assert [(finding.kind, finding.change, finding.began_ms) for finding in found] == [
        ("data_gap", "off", gap.began_ms)
    ]


def test_a_car_that_stopped_charging_may_be_silent_unless_it_may_burn() -> None:
    calm = CarWatch(charging_limits("NMC"))
    for second in range(4):
        calm.judge(sample(second, insulation_kohm=5.0, pack_v=400.0, is_charging=False), heard_at_s=float(second))
    assert calm.dangers == {"insulation": 1}
    assert calm.silent(60.0, now_ms=0, listening_since_s=0.0) is None
    burning = CarWatch(charging_limits("NMC"))
    for second in range(4):
        burning.judge(sample(second, probe_max_c=75.0, is_charging=False), heard_at_s=float(second))
    assert burning.silent(60.0, now_ms=0, listening_since_s=0.0) is not None


def test_an_older_sample_says_nothing_about_now() -> None:
    watch = CarWatch(charging_limits("NMC"))
    watch.judge(sample(10, probe_max_c=30.0))
    for second in (3, 4, 5, 6):
        assert watch.judge(sample(second, probe_max_c=90.0)) == []


def test_a_clock_that_was_set_back_does_not_blind_the_watch() -> None:
    watch = CarWatch(charging_limits("NMC"))
    watch.judge(sample(1_000_000, probe_max_c=30.0))
    found = [finding for second in range(4) for finding in watch.judge(sample(second, probe_max_c=65.0))]
    assert [(finding.kind, finding.change) for finding in found] == [("over_temperature", "on")]


def test_findings_can_be_written_down() -> None:
    for finding in stopping(judged(run_of("thermal_runaway", "NMC", strength=0.95, seed=3))):
        assert json.loads(json.dumps(finding.measures)) == finding.measures
