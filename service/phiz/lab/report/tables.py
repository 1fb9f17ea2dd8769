"""All figures of a report, as tables that are folded away."""

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from phiz.lab.report.charts import format_short
from phiz.lab.study.record import Measurement, Study
from phiz.lab.study.summary import mark_quiet

MEGABYTE: Final = 1_000_000


def render_devices(studies: Sequence[Study]) -> Iterator[str]:
    """Yield what is known of each device."""
    yield "<h2>What it was measured on</h2>"
    for study in studies:
        machine = study.machine
        clock = f"{machine.clock_mhz:.0f} MHz" if machine.clock_mhz else "not told"
        rows = {
            "device": study.device + (f" (emulated: {study.emulated})" if study.emulated else ""),
            "processor": machine.processor,
            "instructions": ", ".join(machine.instructions) or "not told",
            "clock": clock,
            "processors to use": str(machine.processors),
            "quota": f"{machine.quota:g} processors" if machine.quota else "none",
            "memory": f"{machine.memory_bytes / 1e9:.1f} GB",
            "copying memory": f"{machine.copied_gb_s:g} GB/s",
            **machine.versions,
        }
        yield '<div class="wide"><table>'
        for name, value in rows.items():
            yield f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>"
        yield "</table></div>"


def render_measurements(studies: Sequence[Study]) -> Iterator[str]:
    """Yield a table of every combination of each device, and one of the answers of its models."""
    yield "<h2>All figures</h2>"
    headings = (
        *("network", "variant", "threads", "batch", "median ms", "p90", "p99", "runs"),
        *("quiet visits", "pictures/s", "CPU s per 1000", "file kB", "peak MB"),
    )
    for study in studies:
        yield f"<details><summary>{escape(study.device)}: every combination</summary>"
        yield from _render_table(headings, (_format_row(study, each) for each in study.figures))
        yield "</details>"
        yield f"<details><summary>{escape(study.device)}: every model's answers</summary>"
        names = dict.fromkeys(name for each in study.qualities for name in each.accuracy)
        rows = (
            [
                each.model,
                str(each.variant),
                f"{each.median_ms:.2f}",
                str(each.compared),
                f"{each.agreement:.1%}",
                "yes" if each.passes else "no",
                *(f"{each.accuracy[name]:.3f}" if name in each.accuracy else "" for name in names),
            ]
            for each in study.qualities
        )
        first = ("model", "variant", "ms a picture", "compared", "as float32", "passes")
        yield from _render_table((*first, *names), rows)
        yield "</details>"


def _format_row(study: Study, each: Measurement) -> list[str]:
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


def _render_table(headings: Sequence[str], rows: Iterator[list[str]]) -> Iterator[str]:
    yield '<div class="wide"><table><tr>'
    yield "".join(f"<th>{escape(heading)}</th>" for heading in headings)
    yield "</tr>"
    for first, second, *numbers in rows:
        cells = "".join(f'<td class="number">{escape(number)}</td>' for number in numbers)
        yield f"<tr><td>{escape(first)}</td><td>{escape(second)}</td>{cells}</tr>"
    yield "</table></div>"
