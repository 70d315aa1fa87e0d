"""The publisher waits for ingest, and says so when ingest does not go on."""

import shutil
from types import SimpleNamespace

import pytest

from forewarn import delivery
from forewarn.delivery import DeliveryStalled, DiskIsFull, Outcomes, _Arrival
from forewarn.embedded.disk import is_full


def test_outcomes_are_counted_from_a_beginning():
    assert Outcomes(10, 7, 1, 1, 1).since(Outcomes(4, 4, 0, 0, 0)) == Outcomes(6, 3, 1, 1, 1)


def test_every_outcome_settles_a_sample():
    assert Outcomes(received=10, stored=4, duplicate=3, dead=2, refused=1).settled == 10


def test_it_looks_until_enough_has_arrived():
    seen = iter([Outcomes(1, 1), Outcomes(5, 5), Outcomes(9, 9), Outcomes(12, 12)])
    arrival = _Arrival(lambda: next(seen), stalled_after_s=60, sleep=lambda seconds: None)
    assert arrival.wait_until(9).settled == 9
    # Known already: the counters are not asked again.
    assert arrival.wait_until(8).settled == 9
    assert arrival.wait_until(10).settled == 12


def test_a_standstill_is_a_mistake_said_in_one_line():
    arrival = _Arrival(lambda: Outcomes(3, 3), stalled_after_s=0, sleep=lambda seconds: None)
    with pytest.raises(DeliveryStalled, match="3 of 4 samples") as raised:
        arrival.wait_until(4)
    assert "\n" not in str(raised.value)


def test_a_standstill_on_a_full_disk_ends_soon(monkeypatch, tmp_path):
    monkeypatch.setattr(delivery, "_LOOK_AT_DISK_AFTER_S", 0.0)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=2**20))
    looked = []

    def check():
        looked.append(is_full(tmp_path))
        raise DiskIsFull("the disk is full")

    arrival = _Arrival(lambda: Outcomes(), stalled_after_s=60, sleep=lambda seconds: None, on_standstill=check)
    with pytest.raises(DiskIsFull):
        arrival.wait_until(4)
    assert looked == [True]
