"""Stored readings to predictions: which lamp will come on within the horizon, and why."""
