"""The error of the benchmarks."""

import click


class BenchmarkError(click.ClickException):
    """A tool is missing, a process has ended, or an answer is not as it should be."""
