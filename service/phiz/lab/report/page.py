"""The report of one study, or of several devices side by side, as one HTML file by itself."""

from collections.abc import Callable, Iterator, Sequence
from html import escape
from typing import Final

from phiz.lab.report.charts import (
    PALETTE,
    BarGroup,
    ScatterPoint,
    draw_bars,
    draw_scatter,
    has_one_scale,
)
from phiz.lab.report.hypotheses import check_hypotheses, compare_with_paper
from phiz.lab.report.recommendations import (
    Candidate,
    describe_noise,
    find_pareto_front,
    iterate_best_within,
    list_candidates,
    recommend_variants,
)
from phiz.lab.report.tables import render_devices, render_measurements
from phiz.lab.study.record import Measurement, Study
from phiz.lab.study.summary import list_plain_measurements

MEGABYTE: Final = 1_000_000
GROUP_HEADINGS: Final = {
    "classify": "Classifiers",
    "face": "Face models",
    "study": "For comparison",
}
INPUT_UNITS: Final = {"pnet": "a pyramid", "rnet": "32 crops", "onet": "16 crops"}
EMULATED_SUFFIX: Final = " (emulated)"
# Of a dark page, as bright as the light ones are dark.
DARK_PALETTE: Final = (
    *("#f08a70", "#5cc4b6", "#8db4f5", "#e0b04a", "#bd97ee", "#9cc174", "#e58bb6", "#aab4be"),
)

STYLE: Final = """
:root { color-scheme: light dark; --ink: #1c242b; --ground: #fff; --faint: #d5dade; LIGHT }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6eaee; --ground: #12171c; --faint: #38424b; DARK }
}
body { margin: 0 auto; padding: 12px; max-width: 720px; background: var(--ground);
  color: var(--ink); font: 16px/1.45 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.2; } h2 { font-size: 1.2rem; margin-top: 2rem; }
figure { margin: 1rem 0; } figcaption { font-weight: 600; margin-bottom: .4rem; }
svg { display: block; width: 100%; height: auto; }
table { border-collapse: collapse; font-size: .8rem; }
th, td { text-align: left; padding: .15rem .5rem .15rem 0; vertical-align: top;
  border-bottom: 1px solid var(--faint); overflow-wrap: normal; }
.wide { overflow-x: auto; } .number { text-align: right; white-space: nowrap; }
.verdict { font-weight: 600; } summary { cursor: pointer; padding: .5rem 0; }
.key { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin-right: .3em; }
"""


def render_page(studies: Sequence[Study]) -> str:
    """Return the report as HTML; it loads nothing, and has no script.

    Args:
        studies: Of one device, or of several, the oldest first, which are drawn side by side.
    """
    body = "\n".join(
        [
            *_render_head(studies),
            *(_render_recommendations(studies)),
            *_render_hypotheses(studies),
            *_render_charts(studies),
            *_render_paper(studies),
            *render_devices(studies),
            *render_measurements(studies),
        ]
    )
    title = escape(_build_title(studies))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_build_style()}</style>\n</head>\n<body>\n<main>\n"
        f"{body}\n</main>\n</body>\n</html>\n"
    )


def _build_style() -> str:
    light = " ".join(f"--c{place}: {each};" for place, each in enumerate(PALETTE))
    dark = " ".join(f"--c{place}: {each};" for place, each in enumerate(DARK_PALETTE))
    return STYLE.replace("LIGHT", light).replace("DARK", dark)


def _build_title(studies: Sequence[Study]) -> str:
    if len(studies) == 1:
        return f"What networks cost on {studies[0].device}"
    return f"What networks cost on {len(studies)} devices"


def _render_head(studies: Sequence[Study]) -> Iterator[str]:
    yield f"<h1>{escape(_build_title(studies))}</h1>"
    for study in studies:
        if study.emulated:
            yield (
                f"<p><b>{escape(study.device)} is emulated</b>: {escape(study.emulated)}. It says"
                " nothing about other hardware.</p>"
            )
        noise = escape(describe_noise(study))
        yield f"<p>{escape(study.device)}, {escape(study.begun)}. {noise}</p>"


def _render_recommendations(studies: Sequence[Study]) -> Iterator[str]:
    yield "<h2>What to run</h2>"
    for study in studies:
        if len(studies) > 1:
            yield f"<h3>{escape(_get_device_name(study))}</h3>"
        yield "<ul>"
        for advice in recommend_variants(study):
            yield (
                f"<li>{GROUP_HEADINGS[advice.group]}, {advice.goal}:"
                f" <b>{escape(str(advice.candidate))}</b>"
                f" ({escape(advice.reason)}).</li>"
            )
        for group in ("classify", "face"):
            bests = [
                f"{budget_ms} ms: {best} ({best.accuracy:.1%})"
                for budget_ms, best in iterate_best_within(study, group)
            ]
            if bests:
                best = escape("; ".join(bests))
                yield f"<li>{GROUP_HEADINGS[group]}, best answers within {best}.</li>"
        yield "</ul>"
    yield f"<p>One picture, one thread. {escape(_describe_accuracy(studies))}</p>"


def _describe_accuracy(studies: Sequence[Study]) -> str:
    """Return what counts as an answer, on which of the devices."""
    right = (
        "Answers are those that are right: classes at first guess, and average precision of WIDER"
        " FACE's easy faces."
    )
    same = (
        "answers are those that float32 gives too, so that models cannot be compared with each"
        " other by them."
    )
    without = [_get_device_name(study) for study in studies if not study.has_photographs]
    if not without:
        return right
    if len(without) == len(studies):
        return f"There were no labelled photographs: {same}"
    return f"{right} On {', '.join(without)} there were no labelled photographs: {same}"


def _render_hypotheses(studies: Sequence[Study]) -> Iterator[str]:
    yield "<h2>What a study of phones found, and whether it holds here</h2>"
    for hypothesis in check_hypotheses(studies):
        yield (
            f"<p>{escape(hypothesis.claim)}"
            f" <span class=verdict>It {escape(_format_verdict(hypothesis.verdict))}"
            ".</span></p><ul>"
        )
        yield from (f"<li>{escape(line)}</li>" for line in hypothesis.figures)
        yield "</ul>"


def _format_verdict(verdict: str) -> str:
    return f"{verdict} from this" if verdict.startswith("cannot") else f"{verdict} here"


def _render_paper(studies: Sequence[Study]) -> Iterator[str]:
    for study in studies:
        if lines := compare_with_paper(study):
            yield f"<h2>BlazeFace beside MobileNetV2, {escape(_get_device_name(study))}</h2>"
            yield (
                "<p>The features of an SSD at 128 × 128, cut as SSDLite does, beside the whole of"
                " BlazeFace's front model.</p><ul>"
            )
            yield from (f"<li>{escape(line)}</li>" for line in lines)
            yield "</ul>"


def _render_charts(studies: Sequence[Study]) -> Iterator[str]:
    measures: tuple[tuple[str, str, Callable[[Measurement], float | None]], ...] = (
        ("Latency, median of a picture", "ms", lambda each: each.median_ms),
        ("Pictures a second", "/s", lambda each: each.images_per_s),
        (
            "Memory, peak of a process",
            "MB",
            lambda each: each.peak_bytes and each.peak_bytes / MEGABYTE,
        ),
    )
    for group, heading in GROUP_HEADINGS.items():
        if not any(facts.group == group for study in studies for facts in study.networks.values()):
            continue
        yield f"<h2>{heading}</h2>"
        for title, unit, value in measures:
            bars = _build_bars(studies, group, value)
            if bars:
                scale = "" if has_one_scale(bars) else " (each on a scale of its own)"
                yield _render_figure(title + scale, draw_bars(f"{heading}: {title}", bars, unit))
        yield from _render_plots(studies, group)


def _build_bars(
    studies: Sequence[Study], group: str, value: Callable[[Measurement], float | None]
) -> list[BarGroup]:
    """Return a group of bars for each network, or, of several devices, for each way to run it."""
    rows: dict[str, list[tuple[str, int, float]]] = {}
    for place, study in enumerate(studies):
        variants = list(dict.fromkeys(each.combination.variant for each in study.figures))
        for each in list_plain_measurements(study):
            name, variant = each.combination.network, each.combination.variant
            length = value(each)
            if study.networks[name].group != group or length is None:
                continue
            heading = f"{name} ({INPUT_UNITS[name]})" if name in INPUT_UNITS else name
            if len(studies) == 1:
                rows.setdefault(heading, []).append((str(variant), variants.index(variant), length))
            else:
                heading = f"{heading}, {variant}"
                rows.setdefault(heading, []).append((_shorten_device_name(study), place, length))
    return [BarGroup(heading, tuple(bars)) for heading, bars in rows.items()]


def _get_device_name(study: Study) -> str:
    return study.device + (EMULATED_SUFFIX if study.emulated else "")


def _shorten_device_name(study: Study) -> str:
    mark = EMULATED_SUFFIX if study.emulated else ""
    most = 18 - len(mark)  # letters, so that it fits beside a bar
    name = study.device if len(study.device) <= most else f"{study.device[: most - 1].strip()}…"
    return name + mark


def _render_plots(studies: Sequence[Study], group: str) -> Iterator[str]:
    for study in studies:
        found = list_candidates(study, group)
        if not found:
            continue
        title = (
            f"Latency and answers, {_get_device_name(study)}; in bold what nothing else beats in"
            " both"
        )
        axis = "right" if study.has_photographs else "as float32"
        yield _render_figure(
            title, draw_scatter(title, _build_points(found), ("ms a picture (logarithmic)", axis))
        )


def _build_points(found: Sequence[Candidate]) -> list[ScatterPoint]:
    front = find_pareto_front(found)
    models = list(dict.fromkeys(each.model for each in found))
    return [
        ScatterPoint(
            str(each), models.index(each.model), each.median_ms, each.accuracy, each in front
        )
        for each in found
    ]


def _render_figure(caption: str, drawing: str) -> str:
    return f"<figure>\n<figcaption>{escape(caption)}</figcaption>\n{drawing}</figure>"
