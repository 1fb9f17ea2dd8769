"""From the settings to what an application is made of: its worker, its limits, its page."""

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phiz.api.service import Bounds
    from phiz.settings import Settings

WORKER = (sys.executable, "-m", "phiz.worker")

# Of the service, beside the connections whose bodies come: its own, and connections that wait
# for their answers or for nothing.
_OTHER_FILES = 64

_log = logging.getLogger(__name__)

PAGE = "study.html"
"""The report of ``phiz study``, beside the profile."""


def default_workers(processors: int, limit_bytes: float, max_pixels: int) -> int:
    """Return a worker for each processor, or as many as there is memory for if that is less."""
    # Not at the top, here and below: ``phiz --help`` should not wait for them.
    from phiz.system.cgroups import affordable_workers  # noqa: PLC0415

    affordable = affordable_workers(limit_bytes, max_pixels)
    if affordable >= processors:
        return processors
    _log.warning(
        "%d MB of memory are enough for %d workers beside a picture of %d pixels, so that there"
        " are not %d, one for each processor; give more, lower PHIZ_MAX_PIXELS, or set"
        " PHIZ_WORKERS",
        *(limit_bytes // 1_000_000, affordable, max_pixels, processors),
    )
    return int(affordable)


def bounds_of(settings: "Settings", files: int, workers: int) -> "Bounds":
    """Return what a request may have in a service that may have so many files open."""
    from phiz.api.service import BODIES, Bounds  # noqa: PLC0415  see above

    bodies = max(1, min(BODIES, files - workers - _OTHER_FILES))
    if bodies < BODIES:
        _log.warning(
            "no more than %d files may be open, so that %d bodies can come at once and not %d;"
            " ulimit -n sets that",
            *(files, bodies, BODIES),
        )

    return Bounds(
        picture_bytes=settings.max_bytes,
        pictures=settings.max_pictures,
        body_s=settings.body_timeout,
        deadline_s=settings.deadline,
        bodies=bodies,
        queue=settings.queue,
    )


def study_page(settings: "Settings") -> Path:
    """Return where the report is, beside the profile, if this machine was measured."""
    from phiz.models import catalog  # noqa: PLC0415  see above

    if settings.profile is not None:
        return settings.profile.with_name(PAGE)
    return (settings.models or catalog.default_folder()) / PAGE
