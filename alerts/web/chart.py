"""The one chart of a case: the signal that matters, what is usual, and until when a lamp is expected."""

from datetime import timedelta
from typing import Any

import pandas as pd

from alerts.calls import LeadDetail
from alerts.reasons import usual_level
from config.faults import FaultMode
from config.i18n import translator
from config.signals import catalogue

# Long enough to see the car as it was before the fault.
HISTORY = timedelta(days=56)
_INK, _MUTED, _GRID, _SIGNAL, _USUAL, _EXPECTED = "#17211f", "#66736f", "#e6eae7", "#0b6b62", "#8a6d1d", "#c2410c"
_FONT = "Inter, 'Segoe UI', 'PingFang SC', 'Microsoft YaHei', 'Noto Sans CJK SC', sans-serif"
# More marks than a screen has columns only slow the browser down.
_MOST_POINTS = 3000


def signal_chart(points: pd.DataFrame, lead: LeadDetail, mode: FaultMode, *, language: str) -> dict[str, Any]:
    """Return a plotly figure (data and layout) of one signal of one car.

    points : DataFrame (n_readings, 3): ts (UTC), value in the signal's unit, at_rest
    """
    t = translator(language)
    signal = catalogue().by_column[mode.chart]
    known = points.dropna(subset=["value"])
    resting = known[known["at_rest"].fillna(False).astype(bool)]
    # At rest nothing but the fault itself moves the signal; some signals exist only while driving.
    shown = resting if not resting.empty else known
    daily = shown.set_index("ts")["value"].astype(float).resample("1D").median().dropna()
    step = max(1, -(-len(shown) // _MOST_POINTS))
    sample = shown.iloc[::step]
    name = signal.name(language)
    title = f"{name} ({signal.unit})" if signal.unit else name
    # The day's median stands at noon, amid the readings it speaks for.
    noon = [(instant + timedelta(hours=12)).isoformat() for instant in daily.index]
    end = lead.known_until
    lamp_by = end + timedelta(days=mode.horizon_d)
    data = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": t("readings at rest") if not resting.empty else t("readings"),
            "x": [instant.isoformat() for instant in sample["ts"]],
            "y": [round(float(value), 4) for value in sample["value"]],
            "marker": {"size": 4, "color": _SIGNAL, "opacity": 0.28},
            "hoverinfo": "skip",
        },
        {
            "type": "scatter",
            "mode": "lines",
            "name": t("median of the day"),
            "x": noon,
            "y": [round(float(value), 4) for value in daily],
            "line": {"width": 2.5, "color": _SIGNAL},
            "hovertemplate": f"%{{x|%Y-%m-%d}}<br><b>%{{y}} {signal.unit}</b><extra></extra>",
        },
    ]
    shapes: list[dict[str, Any]] = [
        {
            "type": "rect",
            "xref": "x",
            "yref": "paper",
            "x0": end.isoformat(),
            "x1": lamp_by.isoformat(),
            "y0": 0,
            "y1": 1,
            "fillcolor": _EXPECTED,
            "opacity": 0.08,
            "line": {"width": 0},
            "layer": "below",
        },
        _line(x0=end.isoformat(), x1=end.isoformat(), y0=0, y1=1, xref="x", yref="paper", color=_EXPECTED, dash="dot"),
    ]
    annotations = [
        {
            "x": (end + (lamp_by - end) / 2).isoformat(),
            "y": 0.5,
            "yref": "paper",
            "showarrow": False,
            "text": t("lamp expected<br>within %(days)s days", days=mode.horizon_d),
            "font": {"color": _EXPECTED, "size": 12},
        }
    ]
    usual, words = _usual(lead, mode)
    if usual is not None:
        shapes.append(_line(x0=0, x1=1, y0=usual, y1=usual, xref="paper", yref="y", color=_USUAL, dash="dash"))
        annotations.append(
            {
                "x": 1,
                "xref": "paper",
                "xanchor": "right",
                "y": usual,
                "yanchor": "bottom",
                "showarrow": False,
                "text": t(words),
                "font": {"color": _USUAL, "size": 12},
            }
        )
    layout = {
        "font": {"family": _FONT, "size": 13, "color": _INK},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 56, "r": 8, "t": 30, "b": 28},
        "hovermode": "closest",
        "dragmode": False,
        "legend": {
            "orientation": "h",
            "itemsizing": "constant",
            "x": 0,
            "y": 1.02,
            "yanchor": "bottom",
            "font": {"size": 12, "color": _MUTED},
        },
        "xaxis": {
            "range": [(end - HISTORY).isoformat(), lamp_by.isoformat()],
            "tickformat": "%-m月%-d日" if language == "zh_CN" else "%-d %b",
            "nticks": 9,
            "gridcolor": _GRID,
            "linecolor": _GRID,
            "tickfont": {"color": _MUTED},
            "fixedrange": True,
        },
        "yaxis": {
            "title": {"text": title, "font": {"color": _MUTED, "size": 12}},
            "gridcolor": _GRID,
            "zeroline": False,
            "range": _room(sample["value"], usual),
            "tickfont": {"color": _MUTED},
            "fixedrange": True,
            "automargin": True,
        },
        "shapes": shapes,
        "annotations": annotations,
    }
    return {
        "data": data,
        "layout": layout,
        "empty": t("There are no readings of this signal.") if shown.empty else None,
    }


def _usual(lead: LeadDetail, mode: FaultMode) -> tuple[float | None, str]:
    """Return what the signal is compared to, and the words for it: healthy cars, else this car a month ago."""
    healthy = usual_level(lead.why.reasons, mode.chart)
    observed = lead.why.observed
    if healthy is None and observed is not None and observed.signal == mode.chart:
        return (observed.usual, "usual") if observed.usual is not None else (observed.earlier, "a month ago")
    return healthy, "usual"


def _room(values: "pd.Series[float]", usual: float | None) -> list[float] | None:
    """Return a range that holds all values and the words above the line of what is usual."""
    held = [float(value) for value in values] + ([] if usual is None else [usual])
    if not held:
        return None
    lowest, highest = min(held), max(held)
    margin = 0.12 * (highest - lowest or abs(highest) or 1.0)
    return [lowest - margin, highest + margin]


def _line(*, color: str, dash: str, **place: Any) -> dict[str, Any]:
    return {"type": "line", "line": {"color": color, "width": 1.5, "dash": dash}, "layer": "below", **place}
