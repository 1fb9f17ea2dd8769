"""From the settings to what an application is made of: its worker, its limits, its page."""

import logging
import sys
from pathlib import Path

from phiz.api.service import MAX_BODIES, RequestLimits
from phiz.models.catalog import get_default_folder
from phiz.settings import Settings
from phiz.system.cgroups import count_affordable_workers

WORKER_COMMAND = (sys.executable, "-m", "phiz.worker")

# Of the service, beside the connections whose bodies come: its own, and connections that wait
# for their answers or for nothing.
_RESERVED_FILES = 64

_log = logging.getLogger(__name__)

PAGE_FILE = "study.html"
"""The report of ``phiz study``, beside the profile."""


def choose_worker_count(processors: int, memory_bytes: float, max_pixels: int) -> int:
    """Return a worker for each processor, or as many as there is memory for if that is less."""
    affordable = count_affordable_workers(memory_bytes, max_pixels)
    if affordable >= processors:
        return processors
    _log.warning(
        "%d MB of memory allow only %d of %d workers, one per processor, with images of %d pixels;"
        " give more memory, lower PHIZ_MAX_PIXELS, or set PHIZ_WORKERS",
        *(memory_bytes // 1_000_000, affordable, processors, max_pixels),
    )
    return int(affordable)


def build_limits(
    settings: Settings, max_files: int, spare_bytes: float, workers: int
) -> RequestLimits:
    """Return what a request may have, by the open files and the memory that the service may use."""
    bodies = max(1, min(MAX_BODIES, max_files - workers - _RESERVED_FILES))
    if bodies < MAX_BODIES:
        _log.warning(
            "the limit of %d open files allows %d bodies at once instead of %d; raise it with"
            " ulimit -n",
            *(max_files, bodies, MAX_BODIES),
        )

    return RequestLimits(
        max_image_bytes=settings.max_bytes,
        max_images=settings.max_pictures,
        body_timeout_s=settings.body_timeout,
        deadline_s=settings.deadline,
        max_bodies=bodies,
        spare_bytes=spare_bytes,
        max_queued=settings.queue,
    )


def find_study_page(settings: Settings) -> Path:
    """Return where the report is, beside the profile, if this machine was measured."""
    if settings.profile is not None:
        return settings.profile.with_name(PAGE_FILE)
    return (settings.models or get_default_folder()) / PAGE_FILE
