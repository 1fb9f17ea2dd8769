"""The application: its routes, and the workers that it starts."""

import math
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import chain
from pathlib import Path

from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from starlette.routing import Route

import phiz
from phiz.api import routes_ops
from phiz.api.admission import Admission
from phiz.api.compat.routes import INTERFACES_BY_NAME
from phiz.api.errors import add_error_handlers
from phiz.api.fetch.fetcher import ImageFetcher
from phiz.api.metrics import Metrics
from phiz.api.openapi import (
    DESCRIPTION,
    build_description,
    build_docs_routes,
    build_openapi_route,
    describe_batch_route,
    describe_image_route,
    describe_stream_route,
)
from phiz.api.page.routes import build_page_routes
from phiz.api.routes_detect import OPERATIONS, blur, classify, crop, detect, detect_batch
from phiz.api.security.guard import STREAM_PATH, Guard
from phiz.api.security.schemes import describe_access
from phiz.api.service import RequestLimits, Service
from phiz.api.stream.places import StreamPlaces
from phiz.api.stream.route import refuse_plain_request
from phiz.models.specs import AUTO, BATCHABLE_MODELS
from phiz.settings import INTERFACES, InterfaceName
from phiz.wire.examples import CLASSIFY_EXAMPLE, CROP_EXAMPLE, DETECT_EXAMPLE
from phiz.wire.messages import WARM_UP_SIZE_WH, ModelInventory
from phiz.wire.picture_schemas import (
    BlurParameters,
    CropAnswer,
    CropParameters,
    DetectImageParameters,
)
from phiz.wire.schemas import ClassifyAnswer, ClassifyParameters, DetectAnswer
from phiz.workers.latency import Workload
from phiz.workers.pool import WorkerPool


def create_app(  # noqa: PLR0913  the choices of an entry point
    worker_command: Sequence[str],
    workers: int,
    limits: RequestLimits,
    study_page: Path | None = None,
    guard: Guard | None = None,
    *,
    interfaces: Collection[InterfaceName] = INTERFACES,
) -> FastAPI:
    """Return the application, which starts its workers when its lifespan starts.

    ``state.ready`` tells whether it accepts requests, and ``state.methods`` has the methods of each
    path. ``state.describe`` answers a request with the description of the routes.

    Args:
        worker_command: Command of a worker (see ``WorkerPool``); its hello is a ``ModelInventory``.
        workers: Number of workers, and so of images at once.
        limits: Limits of every request.
        study_page: Page that ``phiz study`` writes; it need not exist.
        guard: Rules of access, for the description. ``run_server`` and a ``Gate`` apply them.
        interfaces: Interfaces of other servers that it has beside its own.
    """
    app = FastAPI(
        title="phiz",
        summary="Face detection over HTTP, with the time that each stage took.",
        description=DESCRIPTION,
        version=phiz.__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # A generated client names its functions by them.
        generate_unique_id_function=lambda route: route.name,
        lifespan=_make_lifespan(worker_command, workers, limits),
    )
    app.state.service = None
    app.state.ready = False
    app.state.study = study_page
    app.state.describe = build_description(app)
    _add_routes(app, interfaces)
    add_error_handlers(app)
    if guard is not None:
        describe_access(app, guard)
    return app


def _add_routes(app: FastAPI, interfaces: Collection[InterfaceName]) -> None:
    # OpenAPI's operation ids are the names of these functions, and of the routes of the routers.
    app.post(
        "/detect",
        tags=["detection"],
        summary="Find the faces of an image",
        **describe_image_route(
            DetectImageParameters, DetectAnswer, DETECT_EXAMPLE, OPERATIONS["/detect"].formats
        ),
    )(detect)
    app.post(
        "/detect/batch",
        tags=["detection"],
        summary="Find the faces of several images",
        **describe_batch_route(),
    )(detect_batch)
    app.post(
        "/crops",
        tags=["images"],
        summary="Cut out the faces of an image",
        **describe_image_route(
            CropParameters, CropAnswer, CROP_EXAMPLE, OPERATIONS["/crops"].formats
        ),
    )(crop)
    app.post(
        "/blur",
        tags=["images"],
        summary="Cover the faces of an image",
        **describe_image_route(BlurParameters, None, {}, OPERATIONS["/blur"].formats),
    )(blur)
    app.post(
        "/classify",
        tags=["classification"],
        summary="Classify an image",
        **describe_image_route(ClassifyParameters, ClassifyAnswer, CLASSIFY_EXAMPLE),
    )(classify)
    app.get(STREAM_PATH, **describe_stream_route())(refuse_plain_request)
    others = [INTERFACES_BY_NAME[name] for name in INTERFACES if name in interfaces]
    routers = [routes_ops.models, routes_ops.operation, *(each.router for each in others)]
    for router in routers:
        app.include_router(router)
    app.router.routes.append(build_openapi_route(app))
    app.router.routes.extend(build_docs_routes(app.title))
    app.router.routes.extend(build_page_routes())
    methods: dict[str, list[str]] = {}
    # Included routes are not among the application's own.
    for route in chain(app.routes, *(router.routes for router in routers)):
        if isinstance(route, Route):
            methods.setdefault(route.path, []).extend(sorted(route.methods or ()))
    app.state.methods = methods
    app.router.routes.extend(chain.from_iterable(each.refusals for each in others))


def _make_lifespan(
    worker_command: Sequence[str], workers: int, limits: RequestLimits
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        pool = WorkerPool(worker_command, workers, limits.hang_timeout_s, BATCHABLE_MODELS)
        inventory, *_ = await pool.start()
        try:
            assert isinstance(inventory, ModelInventory), "the hello of a worker is its inventory"
            for model, seconds in inventory.warm_up_s.items():
                workload = Workload(model, pixels=math.prod(WARM_UP_SIZE_WH))
                pool.latencies.observe(workload, seconds)
            kinds = {spec.name: spec.kind for spec in inventory.specs}
            others = (AUTO, *(spec.name for spec in inventory.classifiers))
            metrics = Metrics(CollectorRegistry(), pool, kinds, others)
            admission = Admission(pool, limits.max_queued, limits.max_held_bytes, limits.max_bodies)
            app.state.service = Service(
                inventory,
                pool,
                limits,
                limits.for_image(),
                limits.for_batch(),
                admission,
                metrics,
                StreamPlaces(limits.max_streams),
                _build_fetcher(limits),
            )
            app.state.ready = True
            yield
        finally:
            app.state.ready = False
            app.state.service = None
            await pool.close()

    return lifespan


def _build_fetcher(limits: RequestLimits) -> ImageFetcher | None:
    if limits.url_hosts is None:
        return None
    return ImageFetcher(limits.url_hosts, limits.max_image_bytes)
