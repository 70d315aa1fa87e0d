"""Simulated cars against the real recordings: what was closed stays closed.

The bounds are loose: about twice as far off as when they were closed, and far nearer than before.
"""

import pytest

from forewarn.realism import recorded
from forewarn.realism.closed import CLOSED
from forewarn.realism.comparison import Plan, compare
from forewarn.realism.finding import Finding


@pytest.fixture(scope="module")
def findings(shared_data) -> dict[tuple[str, str, str], Finding]:
    # Another seed than that of the report, by which the simulator was tuned.
    comparison = compare(shared_data, plan=Plan(seed=7))
    assert not comparison.missing
    return {(finding.section, finding.of, finding.what): finding for finding in comparison.findings}


@pytest.mark.parametrize("closed", CLOSED, ids=lambda closed: " ".join(closed.key[1:]))
def test_what_was_closed_stays_closed(findings, closed):
    finding = findings[closed.key]
    assert finding.recorded == pytest.approx(closed.recorded, rel=0.02, abs=0.006)
    before = Finding(*closed.key, finding.unit, finding.kind, finding.recorded, closed.before)
    assert finding.off < max(0.6, 0.6 * before.off)


def test_warming_up_takes_six_minutes_by_the_clock_of_the_engine(findings):
    finding = findings["Coolant", "carobd", "from a cold start to 80 C, median"]
    assert finding.recorded == pytest.approx(338, abs=5)
    assert 250 < finding.simulated < 480


def test_most_figures_are_good_or_fair(findings):
    verdicts = [finding.verdict for finding in findings.values() if finding.section != "Owner and weather"]
    assert verdicts.count("bad") < 0.3 * len(verdicts)


def test_recordings_are_read_whole(shared_data):
    trace = recorded.electric_trace(shared_data, "car2")
    assert trace is not None
    assert (len(trace.ts_s), trace.cells_v.shape[1], trace.step_s) == (14_384, 88, 30.0)
