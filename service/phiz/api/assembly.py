"""From the settings to what an application is made of: its worker, its limits, its page."""

import logging
import sys
from pathlib import Path

from phiz.api.fetch.hosts import HostRules
from phiz.api.security.cors import CorsRules
from phiz.api.security.guard import Guard
from phiz.api.security.keys import open_key_ring
from phiz.api.security.rates import parse_rate_setting
from phiz.api.service import MAX_BODIES, MAX_CONNECTIONS, RequestLimits
from phiz.errors import SettingError
from phiz.models.catalog import get_default_folder
from phiz.settings import Settings
from phiz.system.cgroups import count_affordable_workers

WORKER_COMMAND = (sys.executable, "-m", "phiz.worker")

# Of the service itself, when it starts.
_OWN_FILES = 32
# Of the service, beside its connections: its own files, and connections that are being closed.
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
    """Return what a request may have by the open files and the memory that it may use.

    Raises:
        SettingError: The list of hosts has an entry that is not a host, or the open files are too
            few for the service itself.
    """
    if max_files < _OWN_FILES + workers:
        raise SettingError(
            f"the limit of {max_files} open files is too low; the service needs at least"
            f" {_OWN_FILES + workers}; raise it with ulimit -n, or set PHIZ_WORKERS"
        )
    files = max(1, max_files - workers - _RESERVED_FILES)
    bodies = min(MAX_BODIES, files)
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
        max_connections=min(MAX_CONNECTIONS, files),
        spare_bytes=spare_bytes,
        max_queued=settings.queue,
        hang_timeout_s=settings.hang,
        max_streams=settings.streams,
        url_hosts=HostRules.from_setting(settings.url_hosts) if settings.url_hosts else None,
    )


def build_guard(settings: Settings) -> Guard | None:
    """Return the rules of access, or None if there are none.

    Raises:
        SettingError: The keys or the rate are unusable.
    """
    secret = settings.api_keys
    keys = open_key_ring(secret.get_secret_value() if secret else None)
    rate = parse_rate_setting(settings.rate)
    return None if keys is None and rate is None else Guard(keys, rate)


def build_cors(settings: Settings) -> CorsRules | None:
    """Return the origins whose pages may read the answers, or None if there are none.

    Raises:
        SettingError: An entry is not an origin.
    """
    return CorsRules.from_setting(settings.cors_origins) if settings.cors_origins else None


def find_study_page(settings: Settings) -> Path:
    """Return where the report is, beside the profile, if this machine was measured."""
    if settings.profile is not None:
        return settings.profile.with_name(PAGE_FILE)
    return (settings.models or get_default_folder()) / PAGE_FILE
