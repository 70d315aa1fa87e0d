"""Readings over time: how they are partitioned, compressed, rolled up and expired.

The one place that knows whether TimescaleDB is there. ``plain`` and ``timescale`` give the same tables, views and
answers; everything else reads ``telemetry.rollup_minute``, ``rollup_hour`` and ``rollup_day``.
"""
