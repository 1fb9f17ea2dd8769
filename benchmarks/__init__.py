"""Benchmarks, started from the root of a checkout with ``python -m benchmarks.FOLDER.NAME``."""
