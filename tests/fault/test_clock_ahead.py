"""One car in a hundred has a clock that is a year ahead."""

import psycopg

from tests.fault.load import fleet_load, vin_of
from tests.fault.publisher import Publisher
from tests.fault.scene import workers


def test_a_year_ahead_on_one_car_in_a_hundred(database, fleet, broker, tmp_path, conclude):
    load = fleet_load(3000, cars=100, year_ahead={42})
    total = sum(len(batch.soc_pct) for batch in load)
    ahead = sum(len(batch.soc_pct) for batch in load if vin_of(42) in batch.topic)
    with workers([0, 1], dsn=database, mqtt_port=broker.port, folder=tmp_path) as running:
        sent = Publisher(broker.port, load).finish(within_s=60)
        running.until_stored(total, within_s=60)
    conclude("clock a year ahead on one car of a hundred", sent, running, samples_ahead=ahead)
    with psycopg.connect(database) as conn:
        flagged = conn.execute(
            "SELECT vehicle_id, count(*) FROM telemetry.vehicle_reading WHERE quality & 8 <> 0 GROUP BY 1"
        ).fetchall()
    assert flagged == [(fleet[vin_of(42)], ahead)]
