"""Benchmarks: the product measured on the machine it runs on, beside the limits of what it stands on."""
