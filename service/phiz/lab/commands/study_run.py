"""The course of a study: what is measured, and how far that is, on standard error."""

import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from phiz.lab.commands.missing_models import demand_built
from phiz.lab.commands.progress import shown

if TYPE_CHECKING:
    from phiz.lab.study.checkpoint import Journal
    from phiz.lab.study.machine import Machine
    from phiz.lab.study.record import Facts, Study
    from phiz.lab.study.run import Course


def course_of(
    folder: Path | None,
    data: Path | None,
    only: Sequence[str],
    emulated: str | None,
    *,
    quick: bool,
) -> "Course":
    """Return what is to be measured.

    Args:
        folder: Where built models lie, if it was named.
        data: Of labelled photographs, or None.
        only: Models that are measured; empty for all.
        emulated: How the device differs from this machine; None if it is that.
        quick: Whether it should be short.

    Raises:
        CatalogError: There is no such model.
        OptionError: Nothing is built of it, or the photographs cannot be judged by.
    """
    from phiz.lab.study.networks import find_subjects, whole_models  # noqa: PLC0415
    from phiz.lab.study.photographs import check_data  # noqa: PLC0415
    from phiz.lab.study.plan import FULL, QUICK  # noqa: PLC0415
    from phiz.lab.study.run import Course  # noqa: PLC0415
    from phiz.models import catalog  # noqa: PLC0415  slow to load

    known = catalog.load()
    demand_built(known, folder, only)
    place = folder or catalog.default_folder()
    subjects = [
        subject for subject in find_subjects(known, place) if not only or subject.model.name in only
    ]
    if data:
        check_data(data, whole_models(subjects))
    return Course(subjects, place, data, QUICK if quick else FULL, emulated)


def measure(
    course: "Course",
    journal: "Journal",
    machine: "Machine",
    device: str | None,
) -> "Study":
    """Measure what is not yet in a journal, show how far that is, and return all of it.

    Args:
        course: What is to be measured.
        journal: Has what is finished.
        machine: That this is.
        device: What it is called; by default its processor.

    Raises:
        PhizError: A file is missing or cannot be read, or a process that measured ended early.
        KeyboardInterrupt: It was interrupted, by SIGINT or SIGTERM.
    """
    from phiz.lab.study.record import Study  # noqa: PLC0415
    from phiz.lab.study.run import collect, run  # noqa: PLC0415  see course_of

    lots = course.lots()
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
        emulated=course.emulated,
        begun=journal.begun,
        machine=machine,
        networks=_facts(course),
        figures=figures,
        qualities=qualities,
        has_photographs=course.data is not None,
        stolen=None if journal.stolen is None else round(journal.stolen, 4),
    )


def _facts(course: "Course") -> "dict[str, Facts]":
    """Return what is known of the networks; their sizes only where models can be built."""
    from phiz.lab.study.run import facts_of  # noqa: PLC0415  see course_of

    facts = facts_of(course.subjects)
    try:
        from phiz.convert.size import size_of  # noqa: PLC0415
    except ModuleNotFoundError:
        return facts
    for subject in course.subjects:
        name = subject.card.name
        size = size_of(subject.read(course.folder).graphs["float32"])
        if size is not None:
            facts[name] = replace(facts[name], macs=size.macs, parameters=size.parameters)
    return facts
