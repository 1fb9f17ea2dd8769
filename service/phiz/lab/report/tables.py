"""The tables of a report: the devices, and all figures."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Final

from phiz.lab.report.charts import format_short
from phiz.lab.study.quality import VariantQuality
from phiz.lab.study.record import Measurement, Study
from phiz.lab.study.summary import mark_quiet

MEGABYTE: Final = 1_000_000
MEASUREMENT_COLUMNS: Final[Mapping[str, Callable[[Study, Measurement], str]]] = {
    "network": lambda _, each: each.combination.network,
    "variant": lambda _, each: str(each.combination.variant),
    "threads": lambda _, each: str(each.combination.threads),
    "batch": lambda _, each: str(each.combination.batch),
    "median ms": lambda _, each: f"{each.median_ms:.3f}",
    "p90": lambda _, each: f"{each.p90_ms:.3f}",
    "p99": lambda _, each: f"{each.p99_ms:.3f}" if each.p99_ms is not None else "",
    "runs": lambda _, each: str(each.runs),
    "quiet visits": lambda _, each: f"{sum(mark_quiet(each.visits_ms))} of {len(each.visits_ms)}",
    "pictures/s": lambda _, each: format_short(each.images_per_s),
    "CPU s per 1000": lambda _, each: format_short(each.processor_ms),
    "file kB": lambda study, each: f"{study.get_file_bytes(each.combination) / 1000:.0f}",
    "peak MB": lambda _, each: f"{each.peak_bytes / MEGABYTE:.0f}" if each.peak_bytes else "",
}
QUALITY_COLUMNS: Final[Mapping[str, Callable[[VariantQuality], str]]] = {
    "model": lambda each: each.model,
    "variant": lambda each: str(each.variant),
    "ms a picture": lambda each: f"{each.median_ms:.2f}",
    "compared": lambda each: str(each.compared),
    "as float32": lambda each: f"{each.agreement:.1%}",
    "passes": lambda each: "yes" if each.passes else "no",
}


def render_devices(studies: Sequence[Study]) -> Iterator[str]:
    """Yield a table of the facts of each device."""
    yield "<h2>What it was measured on</h2>"
    for study in studies:
        machine = study.machine
        rows = {
            "device": study.device + (f" (emulated: {study.emulated})" if study.emulated else ""),
            "processor": machine.processor,
            "instructions": ", ".join(machine.instructions) or "not told",
            "clock": f"{machine.clock_mhz:.0f} MHz" if machine.clock_mhz else "not told",
            "processors to use": str(machine.processors),
            "quota": f"{machine.quota:g} processors" if machine.quota else "none",
            "memory": f"{machine.memory_bytes / 1e9:.1f} GB",
            "copying memory": f"{machine.copied_gb_s:g} GB/s",
            **machine.versions,
        }
        yield _wrap_rows(
            f"<th>{escape(name)}</th><td>{escape(value)}</td>" for name, value in rows.items()
        )


def render_measurements(studies: Sequence[Study]) -> Iterator[str]:
    """Yield a folded table of every combination of each device, and one of its models' answers."""
    yield "<h2>All figures</h2>"
    for study in studies:
        rows = [
            [get(study, each) for get in MEASUREMENT_COLUMNS.values()] for each in study.figures
        ]
        yield f"<details><summary>{escape(study.device)}: every combination</summary>"
        yield _render_table(MEASUREMENT_COLUMNS, rows) + "</details>"
        names = dict.fromkeys(name for each in study.qualities for name in each.accuracy)
        rows = [
            [get(each) for get in QUALITY_COLUMNS.values()]
            + [f"{each.accuracy[name]:.3f}" if name in each.accuracy else "" for name in names]
            for each in study.qualities
        ]
        yield f"<details><summary>{escape(study.device)}: every model's answers</summary>"
        yield _render_table([*QUALITY_COLUMNS, *names], rows) + "</details>"


def _render_table(headings: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table whose first two columns are texts, and the others numbers."""
    lines = ["".join(f"<th>{escape(heading)}</th>" for heading in headings)]
    for first, second, *numbers in rows:
        cells = "".join(f'<td class="number">{escape(number)}</td>' for number in numbers)
        lines.append(f"<td>{escape(first)}</td><td>{escape(second)}</td>{cells}")
    return _wrap_rows(lines)


def _wrap_rows(rows: Iterable[str]) -> str:
    lines = "".join(f"<tr>{row}</tr>\n" for row in rows)
    return f'<div class="wide"><table>\n{lines}</table></div>'
