"""The figures that are printed, from what was measured."""

import msgspec

from forewarn.bench.ingest import IngestResult, summarise
from forewarn.bench.load import Load
from forewarn.bench.store import ServerFacts

# A program that reads the object relies on these names.
KEYS = {
    "messages",
    "rows",
    "messages_per_s",
    "rows_per_s",
    "fsync",
    "synchronous_commit",
    "table_persistence",
    "client_limit_per_s",
    "ratio_to_client_limit",
    "copy_limit_rows_per_s",
    "ratio_to_copy_limit",
    "lost",
    "duplicates",
    "peak_rss_mib",
}


def _result(*, took_s: float | None = 2.0, copied: float | None = 40_000.0) -> IngestResult:
    return summarise(
        Load(messages=1000, batch=10, now_ms=1_772_366_400_000),
        took_s=took_s,
        client_limit=1000.0,
        copied=copied,
        lost=0,
        duplicates=0,
        peak=123.456,
        facts=ServerFacts("on", "on", "permanent"),
    )


def test_the_object_has_exactly_the_promised_keys():
    assert msgspec.structs.asdict(_result()).keys() == KEYS


def test_rates_and_ratios():
    result = _result()
    assert (result.messages, result.rows) == (1000, 10_000)
    assert (result.messages_per_s, result.rows_per_s) == (500.0, 5000.0)
    assert (result.ratio_to_client_limit, result.ratio_to_copy_limit) == (0.5, 0.125)
    assert result.peak_rss_mib == 123.5


def test_what_could_not_be_measured_is_none():
    result = _result(took_s=None, copied=None)
    assert (result.messages_per_s, result.rows_per_s) == (None, None)
    assert (result.ratio_to_client_limit, result.ratio_to_copy_limit) == (None, None)
