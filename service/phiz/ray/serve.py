"""The service as a deployment of Ray Serve: ``serve run phiz.ray.serve:app``.

A replica is a whole service: it has workers of its own and gives the same answers. Ray sends it
requests, starts more replicas under load, and replaces those that fail.
"""

import os
from http import HTTPStatus
from typing import Any, Final

import ray
from fastapi import FastAPI
from ray import serve
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from phiz.api.app import create_app
from phiz.api.assembly import WORKER_COMMAND, build_cors, build_guard, build_limits, find_study_page
from phiz.api.errors import NotReadyError
from phiz.api.security.cors import CorsGate
from phiz.api.security.guard import METRICS_PATH, Gate
from phiz.api.security.headers import HeaderShield
from phiz.api.service import MAX_BODIES
from phiz.settings import load_settings
from phiz.system.cgroups import (
    choose_max_pixels,
    compute_spare_bytes,
    raise_file_limit,
    read_memory_limit,
)
from phiz.system.logs import configure_logging

DEPLOYMENT_NAME: Final = "phiz"
CPUS_PER_REPLICA: Final = 1  # and as many workers
# More than the service itself admits: an overloaded replica rejects requests in time and with a
# Retry-After header. Ray would let them wait without a limit, and rejects in another format.
MAX_ONGOING_REQUESTS: Final = MAX_BODIES
MAX_QUEUED_REQUESTS: Final = 1024  # in a proxy of Ray
# Average requests of a replica at which another one is started: one in progress, and one queued so
# that the worker is never idle.
TARGET_ONGOING_REQUESTS: Final = 2
AUTOSCALING: Final[dict[str, Any]] = {
    "min_replicas": 1,
    "max_replicas": 10,
    "target_ongoing_requests": TARGET_ONGOING_REQUESTS,
    "upscale_delay_s": 10,
    "downscale_delay_s": 300,
}
SHUTDOWN_TIMEOUT_S: Final = 35  # PHIZ_DRAIN and some to spare


def build_app() -> FastAPI:
    """Return the application of a replica, in the process of that replica."""
    # onnxruntime sends telemetry unless this is set before the workers load it.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    settings = load_settings()
    configure_logging(settings.log)
    processors = ray.get_runtime_context().get_assigned_resources().get("CPU", CPUS_PER_REPLICA)
    workers = settings.workers or max(1, int(processors))
    memory_bytes = read_memory_limit()
    max_pixels = choose_max_pixels(settings.max_pixels, memory_bytes, 2 * settings.max_bytes)
    spare_bytes = compute_spare_bytes(memory_bytes, workers, max_pixels)
    request_limits = build_limits(settings, raise_file_limit(), spare_bytes, workers)
    guard = build_guard(settings)
    app = create_app(
        WORKER_COMMAND,
        workers,
        request_limits,
        find_study_page(settings),
        guard,
        interfaces=settings.compat,
    )
    app.add_middleware(HeaderShield)
    if guard is not None:
        app.add_middleware(Gate, guard)
    if (cors := build_cors(settings)) is not None:
        app.add_middleware(CorsGate, cors)
    # Each replica has its own counters, and each request would reach another one.
    app.router.routes.insert(0, Route(METRICS_PATH, _raise_not_found))
    return app


def _raise_not_found(_request: Request) -> Response:
    raise HTTPException(HTTPStatus.NOT_FOUND)


class Replica:
    """A replica."""

    app: FastAPI  # set by ``serve.ingress``

    async def check_health(self) -> None:
        """Report whether this replica still works.

        Raises:
            NotReadyError: No worker runs, and none can be started.
        """
        service = self.app.state.service
        if service is None or not service.pool.is_healthy:
            raise NotReadyError


deployment = serve.deployment(
    serve.ingress(build_app)(Replica),
    name=DEPLOYMENT_NAME,
    ray_actor_options={"num_cpus": CPUS_PER_REPLICA},
    autoscaling_config=AUTOSCALING,
    max_ongoing_requests=MAX_ONGOING_REQUESTS,
    max_queued_requests=MAX_QUEUED_REQUESTS,
    health_check_period_s=5,
    health_check_timeout_s=10,
    graceful_shutdown_timeout_s=SHUTDOWN_TIMEOUT_S,
)
app = deployment.bind()
