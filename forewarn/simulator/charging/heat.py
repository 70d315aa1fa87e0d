"""How warm the gun gets: a contact with a resistance, a heat capacity, and the air around it."""

import numpy as np

from forewarn.simulator.charging.dangers import Danger
from forewarn.simulator.charging.pack import Floats
from forewarn.simulator.charging.stations import Connector

_TAU_S = 420.0
# GB/T 20234.1 allows a rise of 50 K; contacts are made for 90 C. Beyond that the plastic of the inlet softens.
HOT_C = 90.0
HIGHEST_C = 290.0


def draw_rise_c(rng: np.random.Generator) -> float:
    """Return by how much a healthy gun warms at its rated current."""
    return float(rng.uniform(14.0, 34.0))


def gun_c(
    connector: Connector,
    t_s: Floats,
    cable_a: Floats,
    *,
    air_c: float,
    rise_c: float,
    usual_a: float,
    danger: Danger | None,
) -> Floats:
    """Return the temperature (C) of the contacts at ``t_s``; it follows the square of the current.

    cable_a : (n,) A in the cable: direct current, or that of one phase
    rise_c  : of the healthy contact at the connector's rated current
    usual_a : the current at which a danger's ``rise_c`` holds
    """
    target = rise_c * (cable_a / connector.rated_a) ** 2
    if danger is not None and danger.rise_c:
        target = target + danger.rise_c * danger.progress(t_s) * (cable_a / max(usual_a, 1.0)) ** 2
    target = np.minimum(target, HIGHEST_C - air_c)
    share = 1 - np.exp(-np.diff(t_s, prepend=t_s[:1]) / _TAU_S)
    above = np.empty(len(t_s))
    now = 0.0
    for i, (goal, part) in enumerate(zip(target.tolist(), share.tolist(), strict=True)):
        now += (goal - now) * part
        above[i] = now
    return above + air_c
