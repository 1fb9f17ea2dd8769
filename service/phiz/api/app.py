"""The application: its routes, and the workers that it begins before it answers."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from fastapi import APIRouter, FastAPI
from prometheus_client import CollectorRegistry
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.routing import Route

import phiz
from phiz.api import routes_ops
from phiz.api.admission import Admission
from phiz.api.error_table import NOT_READY_CODE
from phiz.api.errors import add_error_handlers
from phiz.api.metrics import Metrics
from phiz.api.openapi import (
    DESCRIPTION,
    build_docs_routes,
    describe_batch,
    describe_batch_responses,
    describe_classify,
    describe_classify_responses,
    describe_detect,
    describe_detect_responses,
    describe_errors,
)
from phiz.api.routes_detect import classify, detect, detect_batch
from phiz.api.service import RequestLimits, Service
from phiz.errors import StudyMissingError
from phiz.models.specs import AUTO, BATCHABLE_MODELS
from phiz.wire.messages import ModelInventory
from phiz.workers.pool import WorkerPool

NOT_READY_RESPONSES = describe_errors(NOT_READY_CODE)
HANG_TIMEOUT_DEADLINES = 2  # deadlines; by then nobody has waited for its answer for as long again


def create_app(
    worker_command: Sequence[str],
    workers: int,
    limits: RequestLimits,
    study_page: Path | None = None,
) -> FastAPI:
    """Return the application; it begins its workers when its lifespan begins.

    ``state.ready`` says whether it should be given requests, ``state.methods`` which methods each
    of its paths has.

    Args:
        worker_command: The command of a worker (see ``WorkerPool``); its hello is a
            ``ModelInventory``.
        workers: How many, which is how many pictures are worked on at once.
        limits: Of every request.
        study_page: The page that ``phiz study`` writes; it need not be there.
    """
    app = FastAPI(
        title="phiz",
        summary="Face detection over HTTP, with the time of every stage.",
        description=DESCRIPTION,
        version=phiz.__version__,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_make_lifespan(worker_command, workers, limits),
    )
    app.state.service = None
    app.state.ready = False
    app.state.study = study_page
    _add_routes(app)
    add_error_handlers(app)
    return app


def _add_routes(app: FastAPI) -> None:
    # Names are what the document makes its operation ids and summaries of.
    app.post(
        "/detect",
        tags=["detection"],
        summary="Find the faces of an image",
        response_model=None,
        responses=describe_detect_responses(),
        openapi_extra=describe_detect(),
    )(detect)
    app.post(
        "/detect/batch",
        tags=["detection"],
        summary="Find the faces of several images",
        response_model=None,
        responses=describe_batch_responses(),
        openapi_extra=describe_batch(),
    )(detect_batch)
    app.post(
        "/classify",
        tags=["classification"],
        summary="Classify an image",
        response_model=None,
        responses=describe_classify_responses(),
        openapi_extra=describe_classify(),
    )(classify)
    app.get("/models", name="models", tags=["detection"], responses=NOT_READY_RESPONSES)(
        routes_ops.list_models
    )
    operation = APIRouter(tags=["operation"], default_response_class=PlainTextResponse)
    operation.get("/healthz", name="healthz")(routes_ops.check_liveness)
    operation.get("/readyz", name="readyz", responses=NOT_READY_RESPONSES)(
        routes_ops.check_readiness
    )
    # Some health checks ask without wanting a body; the server sends none then.
    operation.head("/healthz", include_in_schema=False)(routes_ops.check_liveness)
    operation.head("/readyz", include_in_schema=False)(routes_ops.check_readiness)
    operation.get("/metrics", name="metrics", responses=NOT_READY_RESPONSES)(
        routes_ops.export_metrics
    )
    operation.get(
        "/study",
        name="study",
        response_class=HTMLResponse,
        responses=describe_errors(StudyMissingError.code),
    )(routes_ops.send_study_page)
    app.include_router(operation)
    app.router.routes.extend(build_docs_routes())
    methods: dict[str, list[str]] = {}
    # Included routes are not among the application's own.
    for route in (*app.routes, *operation.routes):
        if isinstance(route, Route):
            methods.setdefault(route.path, []).extend(sorted(route.methods or ()))
    app.state.methods = methods


def _make_lifespan(
    worker_command: Sequence[str], workers: int, limits: RequestLimits
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        hang_timeout_s = max(limits.hang_timeout_s, HANG_TIMEOUT_DEADLINES * limits.deadline_s)
        pool = WorkerPool(worker_command, workers, hang_timeout_s, BATCHABLE_MODELS)
        inventory, *_ = await pool.start()
        try:
            assert isinstance(inventory, ModelInventory), "the hello of a worker is its inventory"
            for kind, seconds in inventory.warm_up_s.items():
                pool.latencies.observe(kind, seconds)
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
            )
            app.state.ready = True
            yield
        finally:
            app.state.ready = False
            app.state.service = None
            await pool.close()

    return lifespan
