"""``forewarn bench score``: every copy of a car is scored, and the database is gone afterwards."""

import psycopg

from config.settings import DatabaseSettings, Settings
from forewarn.bench.score import bench_score


def test_copies_are_scored_like_their_originals(server_dsn, tmp_path):
    settings = Settings(data_dir=tmp_path, database=DatabaseSettings(dsn=server_dsn))
    result = bench_score(settings, vehicles=96, originals=48, days=70, say=lambda text: None)
    assert result.vehicles == 96
    assert result.modes >= 1
    assert result.predictions >= result.vehicles - result.flagged
    assert result.seconds > 0
    assert result.rollup_rows > 96 * result.reach_d
    with psycopg.connect(server_dsn) as conn:
        left = conn.execute("SELECT count(*) FROM pg_database WHERE datname LIKE 'forewarn_bench_%'").fetchone()
    assert left == (0,)
