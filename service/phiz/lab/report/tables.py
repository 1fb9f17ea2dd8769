"""The tables of a report: the devices, and all figures."""

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Final

from phiz.lab.report.charts import format_short
from phiz.lab.study.quality import VariantQuality
from phiz.lab.study.record import Measurement, Study
from phiz.lab.study.summary import mark_quiet

MEGABYTE: Final = 1_000_000
MEASUREMENT_HEADINGS: Final = (
    *("network", "variant", "threads", "batch", "median ms", "p90", "p99", "runs"),
    *("quiet visits", "pictures/s", "CPU s per 1000", "file kB", "peak MB"),
)
QUALITY_HEADINGS: Final = ("model", "variant", "ms a picture", "compared", "as float32", "passes")


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
        names = list(dict.fromkeys(name for each in study.qualities for name in each.accuracy))
        tables = {
            "every combination": [_format_measurement(study, each) for each in study.figures],
            "every model's answers": [_format_quality(each, names) for each in study.qualities],
        }
        headings = (MEASUREMENT_HEADINGS, (*QUALITY_HEADINGS, *names))
        for (title, rows), columns in zip(tables.items(), headings, strict=True):
            yield f"<details><summary>{escape(study.device)}: {title}</summary>"
            yield _render_table(columns, rows)
            yield "</details>"


def _format_measurement(study: Study, each: Measurement) -> list[str]:
    combination = each.combination
    return [
        combination.network,
        str(combination.variant),
        str(combination.threads),
        str(combination.batch),
        f"{each.median_ms:.3f}",
        f"{each.p90_ms:.3f}",
        "" if each.p99_ms is None else f"{each.p99_ms:.3f}",
        str(each.runs),
        f"{sum(mark_quiet(each.visits_ms))} of {len(each.visits_ms)}",
        format_short(each.images_per_s),
        format_short(each.processor_ms),
        f"{study.get_file_bytes(combination) / 1000:.0f}",
        "" if each.peak_bytes is None else f"{each.peak_bytes / MEGABYTE:.0f}",
    ]


def _format_quality(each: VariantQuality, names: Sequence[str]) -> list[str]:
    return [
        each.model,
        str(each.variant),
        f"{each.median_ms:.2f}",
        str(each.compared),
        f"{each.agreement:.1%}",
        "yes" if each.passes else "no",
        *(f"{each.accuracy[name]:.3f}" if name in each.accuracy else "" for name in names),
    ]


def _render_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table whose first two columns are texts, and the others numbers."""
    lines = ["".join(f"<th>{escape(heading)}</th>" for heading in headings)]
    for first, second, *numbers in rows:
        cells = "".join(f'<td class="number">{escape(number)}</td>' for number in numbers)
        lines.append(f"<td>{escape(first)}</td><td>{escape(second)}</td>{cells}")
    return _wrap_rows(lines)


def _wrap_rows(rows: Iterable[str]) -> str:
    lines = "".join(f"<tr>{row}</tr>\n" for row in rows)
    return f'<div class="wide"><table>\n{lines}</table></div>'
