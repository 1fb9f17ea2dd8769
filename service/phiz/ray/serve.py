"""The service as a deployment of Ray Serve: ``serve run phiz.ray.serve:app``.

A replica is a whole service: it has workers of its own and gives the same answers. Ray sends it
requests, begins more replicas while there is much to do, and replaces those that fail.
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
from phiz.api.assembly import WORKER, bounds_of, study_page
from phiz.api.errors import NotReadyError
from phiz.api.service import BODIES
from phiz.settings import load
from phiz.system.cgroups import open_files
from phiz.system.logs import configure

NAME: Final = "phiz"
PROCESSORS: Final = 1  # of a replica; as many as it has workers
# More than the service itself lets in: who comes to a replica that has too much to do is refused
# by it, in time and with the word when to come again. Ray would let them wait without a limit of
# time, and its refusal has another form.
ONGOING: Final = BODIES
QUEUED: Final = 1024  # in a proxy of Ray, until a replica can be found for them
# Requests of a replica, on average, that another one is begun at: one that is worked on, and one
# that waits so that the worker never does.
TARGET: Final = 2
SCALING: Final[dict[str, Any]] = {
    "min_replicas": 1,
    "max_replicas": 10,
    "target_ongoing_requests": TARGET,
    "upscale_delay_s": 10,
    "downscale_delay_s": 300,
}
STOPPING_S: Final = 35  # PHIZ_DRAIN and some to spare

UNASKED: Final = "/metrics"
"""Each replica counts for itself, and whoever asked would be told by another one each time."""


def build() -> FastAPI:
    """Return the application of a replica, in the process of that replica."""
    # onnxruntime reports its use to its makers, unless the workers have this before they load it.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    settings = load()
    configure(settings.log)
    processors = ray.get_runtime_context().get_assigned_resources().get("CPU", PROCESSORS)
    workers = settings.workers or max(1, int(processors))
    bounds = bounds_of(settings, open_files(), workers)
    app = create_app(WORKER, workers, bounds, study_page(settings))
    app.router.routes.insert(0, Route(UNASKED, _not_found))
    return app


def _not_found(_request: Request) -> Response:
    raise HTTPException(HTTPStatus.NOT_FOUND)


class Phiz:
    """A replica."""

    app: FastAPI  # what it answers with, from ``serve.ingress``

    async def check_health(self) -> None:
        """Have this replica replaced if it cannot work any more.

        Raises:
            NotReadyError: No worker is there, and none can be begun.
        """
        service = self.app.state.service
        if service is None or not service.crew.able:
            raise NotReadyError


deployment = serve.deployment(
    serve.ingress(build)(Phiz),
    name=NAME,
    ray_actor_options={"num_cpus": PROCESSORS},
    autoscaling_config=SCALING,
    max_ongoing_requests=ONGOING,
    max_queued_requests=QUEUED,
    health_check_period_s=5,
    health_check_timeout_s=10,
    graceful_shutdown_timeout_s=STOPPING_S,
)
app = deployment.bind()
