"""Shared by the benchmarks: goals, figures, charts, the machine, and workers."""
