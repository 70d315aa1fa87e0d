import numpy as np
import pytest

from ingest.rest import at_rest

NAN = float("nan")


@pytest.mark.parametrize(
    ("state", "speed_kmh", "is_charging", "pack_a", "engine_rpm", "expected"),
    [
        ("OFF", 0.0, 0.0, 0.3, NAN, 1.0),
        ("LOCK", NAN, NAN, NAN, NAN, 1.0),
        ("ON", 0.0, 0.0, 0.3, NAN, 0.0),
        (None, 0.0, NAN, NAN, NAN, 1.0),
        ("OFF", 0.1, 0.0, 0.3, NAN, 0.0),
        ("OFF", 0.0, 1.0, 0.3, NAN, 0.0),
        ("OFF", 0.0, 0.0, -2.0, NAN, 1.0),
        ("OFF", 0.0, 0.0, -2.1, NAN, 0.0),
        ("OFF", 0.0, 0.0, NAN, 800.0, 0.0),
        (None, NAN, 1.0, 9.0, NAN, NAN),
    ],
)
def test_a_car_is_at_rest_when_it_is_off_and_nothing_is_drawn(
    state, speed_kmh, is_charging, pack_a, engine_rpm, expected
):
    found = at_rest(
        known_state=np.array([state is not None]),
        off=np.array([state in ("OFF", "LOCK")]),
        speed_kmh=np.array([speed_kmh]),
        is_charging=np.array([is_charging]),
        pack_a=np.array([pack_a]),
        engine_rpm=np.array([engine_rpm]),
    )
    np.testing.assert_array_equal(found, [expected])
