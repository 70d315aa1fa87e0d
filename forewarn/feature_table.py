"""The page that lists what every fault mode's model looks at: ``python -m forewarn.feature_table`` prints it."""

from collections.abc import Iterator

from alerts.reasons import Reason
from alerts.wording import signal_label
from config.faults import fault_modes
from config.quantities import named
from models.features import Feature
from models.watched import features_of

_HEAD = """# What the models look at

Printed by `python -m forewarn.feature_table`; a test compares it with the code. A name is signal or quantity, what the
car was doing, kind of feature and days; kinds are explained in `models/features.py`, formulas of quantities in
`models/quantities.py`. "Bad" says which way physics vouches for: +1 a greater value cannot make the fault less likely.
"Against cars like it" is docs/decisions/0011-peers-of-the-day.md.
"""


def page() -> str:
    """Return the page in Markdown: a table for each fault mode with name, unit, direction and words of each feature."""
    return "\n".join([_HEAD, *(line for mode in fault_modes() for line in _of_mode(mode))])


def _of_mode(key: str) -> Iterator[str]:
    mode = fault_modes()[key]
    yield f"## {mode.key}: {mode.en} ({mode.zh})"
    yield f"Lamp within {mode.horizon_d} days.\n"
    yield "| feature | unit | bad | in words | 中文 |"
    yield "|---|---|---|---|---|"
    for feature in features_of(mode):
        reason = Reason(
            signal=feature.column, regime=feature.regime, kind=feature.kind, window_d=feature.window_d, value=0.0
        )
        words = [signal_label(reason, language) for language in ("en", "zh_CN")]
        bad = {1: "+1", -1: "−1"}.get(feature.monotone, "")
        yield f"| `{feature.name}` | {_unit(feature)} | {bad} | {words[0]} | {words[1]} |"
    yield ""


def _unit(feature: Feature) -> str:
    known = named(feature.column)
    unit = known.unit if known is not None else ""
    if feature.kind == "left":
        return "d"
    return f"{unit}/d" if feature.kind in ("trend", "peer_trend") else unit


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201
