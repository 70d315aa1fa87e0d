import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.charging.holds import Hold, Judgement, advance

TIMES = {"held_ms": 2000, "clear_ms": 10_000, "longest_pause_ms": 5000}
CALM, BETWEEN = Judgement(None, clear=True), Judgement(None, clear=False)


def bad(severity: int) -> Judgement:
    return Judgement(severity, clear=False)  # type: ignore[arg-type]


def run(said: list[tuple[int, Judgement]]) -> list[tuple[int, str | None, int | None]]:
    hold, changes = Hold(), []
    for ts_s, judgement in said:
        hold, change = advance(hold, judgement, round(ts_s * 1000), **TIMES)
        if change is not None:
            changes.append((ts_s, change, hold.said))
    return changes


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        pytest.param([(0, bad(2)), (1, bad(2)), (2, bad(2))], [(2, "on", 2)], id="held for two seconds"),
        pytest.param([(0, bad(2)), (1, CALM), (2, bad(2)), (3, bad(2))], [], id="broken by one good sample"),
        pytest.param([(0, bad(2)), (1, bad(2)), (9, bad(2)), (10, bad(2))], [], id="a silence breaks the count"),
        pytest.param(
            [(0, bad(2)), (1, bad(2)), (2, bad(2)), (3, bad(1)), (4, bad(1)), (5, bad(1))],
            [(2, "on", 2), (5, "worse", 1)],
            id="worse when that has held, too",
        ),
        pytest.param(
            [(0, bad(1)), (1, bad(2)), (2, bad(1))], [(2, "on", 2)], id="now worse now less is what it was all the time"
        ),
        pytest.param(
            [(0, bad(2)), (1, bad(2)), (2, bad(2)), *[(n, CALM) for n in range(3, 14)]],
            [(2, "on", 2), (13, "off", None)],
            id="over after ten clear seconds",
        ),
        pytest.param(
            [(0, bad(2)), (1, bad(2)), (2, bad(2)), *[(n, BETWEEN) for n in range(3, 60)]],
            [(2, "on", 2)],
            id="not over while it is near the limit",
        ),
    ],
)
def test_a_danger_begins_gets_worse_and_ends(said: object, expected: object) -> None:
    assert run(said) == expected  # type: ignore[arg-type]


def test_a_danger_began_with_its_first_sample_not_with_the_one_that_decided() -> None:
    hold = Hold()
    for ts_ms in (1000, 2000, 3000):
        hold, _ = advance(hold, bad(2), ts_ms, **TIMES)
    assert hold.began_ms == 1000


@given(st.lists(st.sampled_from([CALM, BETWEEN, bad(1), bad(2), bad(3)]), max_size=60))
def test_on_and_off_take_turns_and_worse_comes_between(judgements: list[Judgement]) -> None:
    is_on, worst = False, 4
    for _, change, said in run([(n, judgement) for n, judgement in enumerate(judgements)]):
        assert (change == "on") != is_on
        if change == "off":
            is_on, worst = False, 4
        else:
            assert said is not None
            assert said < worst
            is_on, worst = True, said
