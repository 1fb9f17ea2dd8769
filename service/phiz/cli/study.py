"""``phiz study``: what every way to run every network costs here, and which to choose."""

import signal
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from phiz.cli.files import check_writable, make_folder, write, write_json
from phiz.cli.progress import shown
from phiz.errors import OptionError

if TYPE_CHECKING:
    from phiz.study.course import Course
    from phiz.study.journal import Journal
    from phiz.study.machine import Machine
    from phiz.study.record import Facts, Study

DOCUMENT = "study.json"
PAGE = "study.html"

_EPILOG = """
\b
Examples:
  phiz study --quick
  phiz study --data DIR
  phiz study --compare old.json new.json --out both/
"""


@click.command(epilog=_EPILOG)
@click.argument("studies", metavar="[STUDY...]", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--models",
    "folder",
    envvar="PHIZ_MODELS",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the built models.  [default: where they are built]",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for study.json and study.html.  [default: that of the profile]",
)
@click.option(
    "--profile",
    envvar="PHIZ_PROFILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File for the choice that the service follows.  [default: profile.json beside the models]",
)
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of labelled photographs, photos/ and wider/: without them there is agreement"
    " with float32, and no accuracy.",
)
@click.option(
    "--quick", is_flag=True, help="One picture on one thread, fewer runs: about three minutes."
)
@click.option("--only", multiple=True, metavar="MODEL", help="Only this model; may be repeated.")
@click.option("--fresh", is_flag=True, help="Do not take up what was interrupted.")
@click.option("--device", metavar="NAME", help="What this machine is called in the report.")
@click.option(
    "--emulated",
    metavar="HOW",
    help="Say in the report that this is no such device, but this machine with less of it.",
)
@click.option(
    "--compare", is_flag=True, help="Measure nothing: draw the STUDY files in one report."
)
def study(  # noqa: PLR0913  one for each option
    *,
    studies: tuple[Path, ...],
    folder: Path | None,
    out: Path | None,
    profile: Path | None,
    data: Path | None,
    only: tuple[str, ...],
    device: str | None,
    emulated: str | None,
    quick: bool,
    fresh: bool,
    compare: bool,
) -> None:
    """Measure every model, precision, runtime, number of threads and batch, and recommend.

    All take turns, in several visits that are minutes apart. What is interrupted is taken up
    where it was. The figures go into study.json, the report into study.html, and the choice
    into the profile that PHIZ_RUNTIME=auto and the classifiers follow.
    """
    # Not at the top: they take a while to import, and --help should not wait for them.
    from phiz import catalog  # noqa: PLC0415
    from phiz.runtime.profile import FILE, update_profile  # noqa: PLC0415
    from phiz.study.choices import choose  # noqa: PLC0415
    from phiz.study.journal import Journal  # noqa: PLC0415
    from phiz.study.machine import this_machine  # noqa: PLC0415
    from phiz.study.record import to_document  # noqa: PLC0415

    if compare:
        _compare(studies, out or Path())
        return
    if studies:
        raise OptionError("files of studies are drawn side by side with --compare")
    place = folder or catalog.default_folder()
    named = profile or place / FILE
    target = out or named.parent
    course = _course(place, data, only, quick=quick)
    make_folder(target)
    check_writable(target / DOCUMENT, target, "--out")
    check_writable(named, named.absolute().parent, "--profile")
    machine = this_machine()
    journal = Journal(target, course.subject_matter(machine), fresh=fresh)
    measured = _measure(course, journal, machine, device, emulated)
    write_json(target / DOCUMENT, to_document(measured))
    write(target / PAGE, _page([measured]).encode())
    journal.remove()
    chosen = choose(course.subjects, measured.figures, measured.qualities)
    update_profile(measured.machine.processor, chosen, named)
    _tell(measured, target, named)
    if _is_whole(named):
        click.echo("to follow it for faces: PHIZ_RUNTIME=auto phiz serve")


def _course(place: Path, data: Path | None, only: Sequence[str], *, quick: bool) -> "Course":
    from phiz import catalog  # noqa: PLC0415  see study
    from phiz.study.course import Course  # noqa: PLC0415
    from phiz.study.plan import FULL, QUICK  # noqa: PLC0415
    from phiz.study.subjects import find_subjects  # noqa: PLC0415

    known = catalog.load()
    for name in only:
        known.model(name)
    subjects = [
        subject for subject in find_subjects(known, place) if not only or subject.model.name in only
    ]
    if not subjects:
        raise OptionError(f"no model is built in {place}; build them with: phiz models build")
    return Course(subjects, place, data, QUICK if quick else FULL)


def _measure(
    course: "Course",
    journal: "Journal",
    machine: "Machine",
    device: str | None,
    emulated: str | None,
) -> "Study":
    from phiz.study.course import collect, run  # noqa: PLC0415  see study
    from phiz.study.machine import stolen_s  # noqa: PLC0415
    from phiz.study.record import Study  # noqa: PLC0415

    lots = course.lots()
    begun, stolen = datetime.now(UTC), stolen_s()
    if journal.answers:
        click.echo(f"taking up {len(journal.answers)} of {len(lots)} measurements", err=True)
    # As if from a terminal: the process that measures is ended too.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with shown(len(lots)) as progress:
            for lot, left_s in run(lots, journal, course.effort, course.measure):
                progress.show(lot, len(journal.answers), left_s)
    except KeyboardInterrupt:
        click.echo("interrupted; the same command takes it up where it was", err=True)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
    figures, qualities = collect(lots, journal.answers)
    return Study(
        device=device or machine.processor,
        emulated=emulated,
        begun=journal.begun,
        machine=machine,
        networks=_facts(course),
        figures=figures,
        qualities=qualities,
        has_photographs=course.data is not None,
        stolen=_share_stolen(stolen, stolen_s(), datetime.now(UTC) - begun),
    )


def _facts(course: "Course") -> "dict[str, Facts]":
    """Return what is known of the networks; their sizes only where models can be built."""
    from phiz.study.course import facts_of  # noqa: PLC0415  see study

    facts = facts_of(course.subjects)
    try:
        from phiz.build.size import size_of  # noqa: PLC0415
    except ModuleNotFoundError:
        return facts
    for subject in course.subjects:
        name = subject.card.name
        size = size_of(subject.read(course.folder).graphs["float32"])
        if size is not None:
            facts[name] = replace(facts[name], macs=size.macs, parameters=size.parameters)
    return facts


def _share_stolen(before_s: float | None, after_s: float | None, taken: timedelta) -> float | None:
    if before_s is None or after_s is None:
        return None
    return round((after_s - before_s) / taken.total_seconds(), 4)


def _compare(paths: Sequence[Path], target: Path) -> None:
    from phiz.study.record import read_study  # noqa: PLC0415  see study

    if not paths:
        raise OptionError("--compare needs the files of studies: phiz study --compare A B")
    make_folder(target)
    write(target / PAGE, _page([read_study(path) for path in paths]).encode())
    click.echo(f"wrote {target / PAGE}")


def _page(studies: "Sequence[Study]") -> str:
    from phiz.study.page import draw_page  # noqa: PLC0415  see study

    return draw_page(studies)


def _tell(measured: "Study", target: Path, profile: Path) -> None:
    from phiz.study.advice import advise, noise  # noqa: PLC0415  see study

    for advice in advise(measured):
        click.echo(advice)
    click.echo(noise(measured))
    click.echo(f"wrote {target / DOCUMENT}, {target / PAGE} and {profile}")


def _is_whole(profile: Path) -> bool:
    """Return whether a profile has all networks of the face models, so that it can be followed."""
    from phiz import catalog  # noqa: PLC0415  see study
    from phiz.runtime.profile import read_profile  # noqa: PLC0415

    models = catalog.load().group("face")
    needed = {card.name for model in models for card in model.networks}
    return needed <= read_profile(profile).networks.keys()
