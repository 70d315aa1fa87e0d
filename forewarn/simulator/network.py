"""How reports reach the platform: in messages, seconds later, hours later, twice, or with a clock that is wrong."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from forewarn.simulator.time import DAY_S

MESSAGE_SAMPLES = 10
_LATENCY_S = (0.4, 4.0)
# Hours in a garage without reception, and days of a unit that hangs; per day.
_OUTAGES_PER_DAY, _OUTAGE_H = 0.03, (1.5, 20.0)
_SILENCES_PER_DAY, _SILENCE_H = 0.004, (24.0, 120.0)
# Half of what falls into an outage is kept by the car and sent afterwards; the rest is lost.
_KEPT_SHARE = 0.5
# Holes under way: tunnels, basements, a unit that restarts. What falls into one is lost. Recorded: 0.5 to 7 an hour by
# car, of 40 to 270 s in the median; up to a quarter of a car's reports.
_HOLES_PER_H, _HOLES_SPREAD = 2.6, 1.2
_HOLE_S, _HOLE_SPREAD = 60.0, 1.3
# A car that reports less often than this sleeps.
_AWAKE_S = 900.0
# Messages whose acknowledgement got lost are sent once more.
_TWICE_SHARE, _TWICE_AFTER_S = 0.002, (5.0, 600.0)
# Clocks that are wrong until the next satellite fix: per day, how long, and by how much (a time zone, a reset).
_CLOCK_ERRORS_PER_DAY, _CLOCK_ERROR_H = 0.006, (0.3, 6.0)
_CLOCK_OFF_S = (-8 * 3600.0, -3600.0, -120.0, 90.0, 3600.0, 8 * 3600.0)


class Sent(NamedTuple):
    """What reached the platform, message by message in the order of receipt; a row may be in it twice.

    row        : index of the sample
    ts_s       : when the car believes it was, seconds since the start
    received_s : when it came
    message    : number of its message, rising from 0
    """

    row: NDArray[np.int64]
    ts_s: NDArray[np.float64]
    received_s: NDArray[np.float64]
    message: NDArray[np.int64]


def send(
    t_s: NDArray[np.float64],
    segment: NDArray[np.int64],
    number: NDArray[np.int64],
    *,
    days: float,
    rng: np.random.Generator,
) -> Sent:
    """Return what of one car's samples arrives, and when.

    t_s, segment, number : (n,) time (s), segment and place in it of every sample, in time order
    days                 : what comes later is not known yet
    """
    heard = np.flatnonzero(~_in_holes(t_s, rng))
    t_s, segment, number = t_s[heard], segment[heard], number[heard]
    count = len(t_s)
    # A message holds neighbours of one drive, charge or rest.
    opens = np.ones(count, dtype=bool)
    opens[1:] = (segment[1:] != segment[:-1]) | (number[1:] // MESSAGE_SAMPLES != number[:-1] // MESSAGE_SAMPLES)
    message = np.cumsum(opens) - 1
    n_messages = int(message[-1]) + 1 if count else 0
    last_s = np.zeros(n_messages)
    last_s[message] = t_s
    received = last_s + rng.uniform(*_LATENCY_S, n_messages)
    arrives = np.ones(n_messages, dtype=bool)
    for per_day, hours in ((_OUTAGES_PER_DAY, _OUTAGE_H), (_SILENCES_PER_DAY, _SILENCE_H)):
        for _ in range(rng.poisson(per_day * days)):
            begins = rng.uniform(0.0, days * DAY_S)
            ends = begins + rng.uniform(*hours) * 3600
            during = (received >= begins) & (received < ends)
            if rng.random() < _KEPT_SHARE:
                # Sent one after the other, a millisecond apart.
                afterwards = ends + rng.uniform(1.0, 30.0) + np.arange(n_messages) * 0.001
                received = np.where(during, afterwards, received)
            else:
                arrives &= ~during
    off_s = np.zeros(n_messages)
    for _ in range(rng.poisson(_CLOCK_ERRORS_PER_DAY * days)):
        begins = rng.uniform(0.0, days * DAY_S)
        wrong = (last_s >= begins) & (last_s < begins + rng.uniform(*_CLOCK_ERROR_H) * 3600)
        off_s[wrong] = rng.choice(_CLOCK_OFF_S)
    again = np.flatnonzero(rng.random(n_messages) < _TWICE_SHARE)
    which = np.concatenate([np.arange(n_messages), again])
    received = np.concatenate([received, received[again] + rng.uniform(*_TWICE_AFTER_S, len(again))])
    known = arrives[which] & (received < days * DAY_S) & (last_s[which] < days * DAY_S)
    which, received = which[known], received[known]
    order = np.lexsort((which, received))
    sent = _rows(which[order], received[order], message, n_messages, t_s, off_s)
    return sent._replace(row=heard[sent.row])


def _in_holes(t_s: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return which of a car's samples fall into holes of reception; holes come by the time that it is awake."""
    lost = np.zeros(len(t_s), dtype=bool)
    if not len(t_s):
        return lost
    since = np.diff(t_s, prepend=t_s[:1])
    awake_h = np.cumsum(np.where(since <= _AWAKE_S, since, 0.0)) / 3600
    rate = _HOLES_PER_H * rng.lognormal(0.0, _HOLES_SPREAD)
    begins = np.sort(rng.uniform(0.0, awake_h[-1], rng.poisson(rate * awake_h[-1])))
    follows = np.searchsorted(awake_h, begins)
    begins_s = t_s[follows] - (awake_h[follows] - begins) * 3600
    ends_s = begins_s + _HOLE_S * rng.lognormal(0.0, _HOLE_SPREAD, len(begins))
    for begin, end in np.searchsorted(t_s, np.column_stack((begins_s, ends_s))).tolist():
        lost[begin:end] = True
    return lost


def _rows(
    which: NDArray[np.int64],
    received: NDArray[np.float64],
    message: NDArray[np.int64],
    n_messages: int,
    t_s: NDArray[np.float64],
    off_s: NDArray[np.float64],
) -> Sent:
    """Return the samples of the messages ``which``, in their order."""
    sizes = np.bincount(message, minlength=n_messages)
    first = np.cumsum(sizes) - sizes
    length = sizes[which]
    place = np.arange(int(length.sum())) - np.repeat(np.cumsum(length) - length, length)
    row = np.repeat(first[which], length) + place
    number = np.repeat(np.arange(len(which)), length)
    return Sent(row, t_s[row] + off_s[message[row]], received[number], number)
