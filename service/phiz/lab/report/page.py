"""The report of one study, or of several devices side by side, as one HTML file by itself."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from html import escape
from importlib import resources
from string import Template
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
    describe_noise,
    find_pareto_front,
    iterate_best_within,
    list_candidates,
    recommend_variants,
)
from phiz.lab.report.tables import MEGABYTE, render_devices, render_measurements
from phiz.lab.study.record import Measurement, Study
from phiz.lab.study.summary import list_plain_measurements

GROUP_HEADINGS: Final = {
    "classify": "Classifiers",
    "face": "Face models",
    "study": "For comparison",
}
INPUT_UNITS: Final = {"pnet": "a pyramid", "rnet": "32 crops", "onet": "16 crops"}
EMULATED_SUFFIX: Final = " (emulated)"
MEASURES: Final[Sequence[tuple[str, str, Callable[[Measurement], float | None]]]] = (
    ("Latency, median of a picture", "ms", lambda each: each.median_ms),
    ("Pictures a second", "/s", lambda each: each.images_per_s),
    ("Memory, peak of a process", "MB", lambda each: (each.peak_bytes or 0) / MEGABYTE or None),
)
RIGHT_ANSWERS: Final = (
    "Answers are those that are right: classes at first guess, and average precision of WIDER"
    " FACE's easy faces."
)
SAME_ANSWERS: Final = (
    "there were no labelled photographs: answers are those that float32 gives too, so that models"
    " cannot be compared with each other by them."
)


def render_page(studies: Sequence[Study]) -> str:
    """Return the report as HTML; it loads nothing, and has no script.

    Args:
        studies: Of one device, or of several, the oldest first, which are drawn side by side.
    """
    subject = studies[0].device if len(studies) == 1 else f"{len(studies)} devices"
    sections = (
        _render_summary,
        _render_recommendations,
        _render_hypotheses,
        _render_charts,
        _render_paper,
        render_devices,
        render_measurements,
    )
    page = Template(resources.files(__package__).joinpath("page.html").read_text("utf-8"))
    return page.substitute(
        title=escape(f"What networks cost on {subject}"),
        colours=" ".join(f"--c{place}: {each};" for place, each in enumerate(PALETTE)),
        body="\n".join(line for render in sections for line in render(studies)),
    )


def _render_summary(studies: Sequence[Study]) -> Iterator[str]:
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
        yield _render_list(_list_recommendations(study))
    yield f"<p>One picture, one thread. {escape(_describe_answers(studies))}</p>"


def _list_recommendations(study: Study) -> Iterator[str]:
    for advice in recommend_variants(study):
        yield (
            f"{GROUP_HEADINGS[advice.group]}, {advice.goal}:"
            f" <b>{escape(str(advice.candidate))}</b> ({escape(advice.reason)})."
        )
    for group in ("classify", "face"):
        bests = "; ".join(
            f"{budget_ms} ms: {best} ({best.accuracy:.1%})"
            for budget_ms, best in iterate_best_within(study, group)
        )
        if bests:
            yield f"{GROUP_HEADINGS[group]}, best answers within {escape(bests)}."


def _describe_answers(studies: Sequence[Study]) -> str:
    """Return which answers count, on which of the devices."""
    without = [_get_device_name(study) for study in studies if not study.has_photographs]
    if not without:
        return RIGHT_ANSWERS
    if len(without) == len(studies):
        return SAME_ANSWERS.capitalize()
    return f"{RIGHT_ANSWERS} On {', '.join(without)} {SAME_ANSWERS}"


def _render_hypotheses(studies: Sequence[Study]) -> Iterator[str]:
    yield "<h2>What a study of phones found, and whether it holds here</h2>"
    for hypothesis in check_hypotheses(studies):
        place = "from this" if hypothesis.verdict == "cannot be told" else "here"
        verdict = f"<span class=verdict>It {hypothesis.verdict} {place}.</span>"
        yield f"<p>{escape(hypothesis.claim)} {verdict}</p>"
        yield _render_list(map(escape, hypothesis.figures))


def _render_paper(studies: Sequence[Study]) -> Iterator[str]:
    for study in studies:
        if lines := compare_with_paper(study):
            yield f"<h2>BlazeFace beside MobileNetV2, {escape(_get_device_name(study))}</h2>"
            yield (
                "<p>The features of an SSD at 128 × 128, cut as SSDLite does, beside the whole of"
                " BlazeFace's front model.</p>"
            )
            yield _render_list(map(escape, lines))


def _render_charts(studies: Sequence[Study]) -> Iterator[str]:
    for group, heading in GROUP_HEADINGS.items():
        if not any(facts.group == group for study in studies for facts in study.networks.values()):
            continue
        yield f"<h2>{heading}</h2>"
        for title, unit, value in MEASURES:
            if bars := _build_bars(studies, group, value):
                scale = "" if has_one_scale(bars) else " (each on a scale of its own)"
                yield _render_figure(title + scale, draw_bars(f"{heading}: {title}", bars, unit))
        yield from _render_plots(studies, group)


def _build_bars(
    studies: Sequence[Study], group: str, value: Callable[[Measurement], float | None]
) -> list[BarGroup]:
    """Return a group of bars for each network, or, of several devices, for each variant."""
    rows: dict[str, list[tuple[str, int, float]]] = {}
    for place, study in enumerate(studies):
        variants = list(dict.fromkeys(each.combination.variant for each in study.figures))
        for each in list_plain_measurements(study):
            name, variant = each.combination.network, each.combination.variant
            length = value(each)
            if study.networks[name].group != group or length is None:
                continue
            heading = f"{name} ({INPUT_UNITS[name]})" if name in INPUT_UNITS else name
            bar = str(variant), variants.index(variant), length
            if len(studies) > 1:
                heading = f"{heading}, {variant}"
                bar = _get_device_name(study, letters=18), place, length  # beside the bar
            rows.setdefault(heading, []).append(bar)
    return [BarGroup(heading, tuple(bars)) for heading, bars in rows.items()]


def _get_device_name(study: Study, letters: int | None = None) -> str:
    """Return the name of a device, of so many letters at most, which says if it is emulated."""
    name, mark = study.device, EMULATED_SUFFIX if study.emulated else ""
    if letters and len(name + mark) > letters:
        name = f"{name[: letters - len(mark) - 1].strip()}…"
    return name + mark


def _render_plots(studies: Sequence[Study], group: str) -> Iterator[str]:
    for study in studies:
        if found := list_candidates(study, group):
            name = _get_device_name(study)
            title = f"Latency and answers, {name}; in bold what nothing else beats in both"
            axes = "ms a picture (logarithmic)", "right" if study.has_photographs else "as float32"
            front = find_pareto_front(found)
            models = list(dict.fromkeys(each.model for each in found))
            points = [
                ScatterPoint(
                    str(each),
                    models.index(each.model),
                    each.median_ms,
                    each.accuracy,
                    each in front,
                )
                for each in found
            ]
            yield _render_figure(title, draw_scatter(title, points, axes))


def _render_figure(caption: str, drawing: str) -> str:
    return f"<figure>\n<figcaption>{escape(caption)}</figcaption>\n{drawing}</figure>"


def _render_list(lines: Iterable[str]) -> str:
    """Return lines of HTML as a list."""
    return "<ul>\n" + "".join(f"<li>{line}</li>\n" for line in lines) + "</ul>"
