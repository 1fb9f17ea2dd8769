"""The report of one study, or of several devices side by side, as one HTML file by itself."""

from collections.abc import Callable, Iterator, Sequence
from html import escape
from typing import Final

from phiz.lab.report.charts import COLOURS, Bars, Point, draw_bars, draw_points, is_one_scale
from phiz.lab.report.hypotheses import compare_with_paper, find
from phiz.lab.report.recommendations import Candidate, advise, candidates, noise, pareto, within
from phiz.lab.report.tables import list_devices, list_figures
from phiz.lab.study.record import Figures, Study
from phiz.lab.study.summary import plain_figures

MEGABYTE: Final = 1_000_000
GROUPS: Final = {
    "classify": "Classifiers",
    "face": "Face models",
    "study": "For comparison",
}
UNIT_OF: Final = {"pnet": "a pyramid", "rnet": "32 crops", "onet": "16 crops"}
EMULATED: Final = " (emulated)"
# Of a dark page, as bright as the light ones are dark.
DARK: Final = (
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


def draw_page(studies: Sequence[Study]) -> str:
    """Return the report as HTML; it loads nothing, and has no script.

    Args:
        studies: Of one device, or of several, the oldest first, which are drawn side by side.
    """
    body = "\n".join(
        [
            *_head(studies),
            *(_recommended(studies)),
            *_found(studies),
            *_charts(studies),
            *_paper(studies),
            *list_devices(studies),
            *list_figures(studies),
        ]
    )
    title = escape(_title(studies))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_style()}</style>\n</head>\n<body>\n<main>\n"
        f"{body}\n</main>\n</body>\n</html>\n"
    )


def _style() -> str:
    light = " ".join(f"--c{place}: {each};" for place, each in enumerate(COLOURS))
    dark = " ".join(f"--c{place}: {each};" for place, each in enumerate(DARK))
    return STYLE.replace("LIGHT", light).replace("DARK", dark)


def _title(studies: Sequence[Study]) -> str:
    if len(studies) == 1:
        return f"What networks cost on {studies[0].device}"
    return f"What networks cost on {len(studies)} devices"


def _head(studies: Sequence[Study]) -> Iterator[str]:
    yield f"<h1>{escape(_title(studies))}</h1>"
    for study in studies:
        if study.emulated:
            yield (
                f"<p><b>{escape(study.device)} is emulated</b>: {escape(study.emulated)}. It says"
                " nothing about other hardware.</p>"
            )
        yield f"<p>{escape(study.device)}, {escape(study.begun)}. {escape(noise(study))}</p>"


def _recommended(studies: Sequence[Study]) -> Iterator[str]:
    yield "<h2>What to run</h2>"
    for study in studies:
        if len(studies) > 1:
            yield f"<h3>{escape(_name(study))}</h3>"
        yield "<ul>"
        for advice in advise(study):
            yield (
                f"<li>{GROUPS[advice.group]}, {advice.goal}: <b>{escape(str(advice.candidate))}</b>"
                f" ({escape(advice.reason)}).</li>"
            )
        for group in ("classify", "face"):
            told = [
                f"{budget_ms} ms: {best} ({best.answers:.1%})"
                for budget_ms, best in within(study, group)
            ]
            if told:
                yield f"<li>{GROUPS[group]}, best answers within {escape('; '.join(told))}.</li>"
        yield "</ul>"
    yield f"<p>One picture, one thread. {escape(_meaning(studies))}</p>"


def _meaning(studies: Sequence[Study]) -> str:
    """Return what counts as an answer, on which of the devices."""
    right = (
        "Answers are those that are right: classes at first guess, and average precision of WIDER"
        " FACE's easy faces."
    )
    same = (
        "answers are those that float32 gives too, so that models cannot be compared with each"
        " other by them."
    )
    without = [_name(study) for study in studies if not study.has_photographs]
    if not without:
        return right
    if len(without) == len(studies):
        return f"There were no labelled photographs: {same}"
    return f"{right} On {', '.join(without)} there were no labelled photographs: {same}"


def _found(studies: Sequence[Study]) -> Iterator[str]:
    yield "<h2>What a study of phones found, and whether it holds here</h2>"
    for finding in find(studies):
        yield (
            f"<p>{escape(finding.claim)} <span class=verdict>It {escape(_said(finding.verdict))}"
            ".</span></p><ul>"
        )
        yield from (f"<li>{escape(line)}</li>" for line in finding.figures)
        yield "</ul>"


def _said(verdict: str) -> str:
    return f"{verdict} from this" if verdict.startswith("cannot") else f"{verdict} here"


def _paper(studies: Sequence[Study]) -> Iterator[str]:
    for study in studies:
        if lines := compare_with_paper(study):
            yield f"<h2>BlazeFace beside MobileNetV2, {escape(_name(study))}</h2>"
            yield (
                "<p>The features of an SSD at 128 × 128, cut as SSDLite does, beside the whole of"
                " BlazeFace's front model.</p><ul>"
            )
            yield from (f"<li>{escape(line)}</li>" for line in lines)
            yield "</ul>"


def _charts(studies: Sequence[Study]) -> Iterator[str]:
    measures: tuple[tuple[str, str, Callable[[Figures], float | None]], ...] = (
        ("Latency, median of a picture", "ms", lambda each: each.median_ms),
        ("Pictures a second", "/s", lambda each: each.pictures_per_s),
        (
            "Memory, peak of a process",
            "MB",
            lambda each: each.peak_bytes and each.peak_bytes / MEGABYTE,
        ),
    )
    for group, heading in GROUPS.items():
        if not any(facts.group == group for study in studies for facts in study.networks.values()):
            continue
        yield f"<h2>{heading}</h2>"
        for title, unit, value in measures:
            bars = _bars(studies, group, value)
            if bars:
                scale = "" if is_one_scale(bars) else " (each on a scale of its own)"
                yield _figure(title + scale, draw_bars(f"{heading}: {title}", bars, unit))
        yield from _plots(studies, group)


def _bars(
    studies: Sequence[Study], group: str, value: Callable[[Figures], float | None]
) -> list[Bars]:
    """Return a group of bars for each network, or, of several devices, for each way to run it."""
    rows: dict[str, list[tuple[str, int, float]]] = {}
    for place, study in enumerate(studies):
        variants = list(dict.fromkeys(each.combination.variant for each in study.figures))
        for each in plain_figures(study):
            name, variant = each.combination.network, each.combination.variant
            length = value(each)
            if study.networks[name].group != group or length is None:
                continue
            heading = f"{name} ({UNIT_OF[name]})" if name in UNIT_OF else name
            if len(studies) == 1:
                rows.setdefault(heading, []).append((str(variant), variants.index(variant), length))
            else:
                heading = f"{heading}, {variant}"
                rows.setdefault(heading, []).append((_short_name(study), place, length))
    return [Bars(heading, tuple(bars)) for heading, bars in rows.items()]


def _name(study: Study) -> str:
    return study.device + (EMULATED if study.emulated else "")


def _short_name(study: Study) -> str:
    mark = EMULATED if study.emulated else ""
    most = 18 - len(mark)  # letters, so that it fits beside a bar
    name = study.device if len(study.device) <= most else f"{study.device[: most - 1].strip()}…"
    return name + mark


def _plots(studies: Sequence[Study], group: str) -> Iterator[str]:
    for study in studies:
        found = candidates(study, group)
        if not found:
            continue
        title = f"Latency and answers, {_name(study)}; in bold what nothing else beats in both"
        axis = "right" if study.has_photographs else "as float32"
        yield _figure(
            title, draw_points(title, _points(found), ("ms a picture (logarithmic)", axis))
        )


def _points(found: Sequence[Candidate]) -> list[Point]:
    front = pareto(found)
    models = list(dict.fromkeys(each.model for each in found))
    return [
        Point(str(each), models.index(each.model), each.median_ms, each.answers, each in front)
        for each in found
    ]


def _figure(caption: str, drawing: str) -> str:
    return f"<figure>\n<figcaption>{escape(caption)}</figcaption>\n{drawing}</figure>"
