"""The application: its routes, and the workers that it begins before it answers."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from http import HTTPStatus
from pathlib import Path

from fastapi import APIRouter, FastAPI
from prometheus_client import CollectorRegistry
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.routing import Route

import phiz
from phiz.api import routes_ops
from phiz.api.admission import Admission
from phiz.api.docs_page import page_routes
from phiz.api.errors import add_handlers
from phiz.api.metrics import Metrics
from phiz.api.openapi import (
    DESCRIPTION,
    batch_operation,
    batch_responses,
    classify_operation,
    classify_responses,
    detect_operation,
    detect_responses,
    problem_responses,
)
from phiz.api.routes_classify import classify
from phiz.api.routes_detect import detect, detect_batch
from phiz.api.service import Bounds, Service
from phiz.models.specs import JOINING
from phiz.wire.messages import Stock
from phiz.workers.pool import Crew

NOT_READY = problem_responses(HTTPStatus.SERVICE_UNAVAILABLE)
HANGS_AFTER = 2  # deadlines; by then nobody has waited for its answer for as long again


def create_app(
    worker: Sequence[str], workers: int, bounds: Bounds, study: Path | None = None
) -> FastAPI:
    """Return the application; it begins its workers when its lifespan begins.

    ``state.ready`` says whether it should be given requests, ``state.paths`` which it has.

    Args:
        worker: The command of a worker (see ``Crew``); it tells a ``Stock`` when it is ready.
        workers: How many, which is how many pictures are worked on at once.
        bounds: Of every request.
        study: The page that ``phiz study`` writes; it need not be there.
    """
    app = FastAPI(
        title="phiz",
        summary="Face detection with the time of every stage.",
        description=DESCRIPTION,
        version=phiz.__version__,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan(worker, workers, bounds),
    )
    app.state.service = None
    app.state.ready = False
    app.state.study = study
    _add_routes(app)
    add_handlers(app)
    return app


def _add_routes(app: FastAPI) -> None:
    app.post(
        "/detect",
        tags=["detection"],
        summary="Find the faces of a picture",
        response_model=None,
        responses=detect_responses(),
        openapi_extra=detect_operation(),
    )(detect)
    app.post(
        "/detect/batch",
        tags=["detection"],
        summary="Find the faces of several pictures",
        response_model=None,
        responses=batch_responses(),
        openapi_extra=batch_operation(),
    )(detect_batch)
    app.post(
        "/classify",
        tags=["classification"],
        summary="Say what a picture shows",
        response_model=None,
        responses=classify_responses(),
        openapi_extra=classify_operation(),
    )(classify)
    app.get("/models", tags=["detection"], responses=NOT_READY)(routes_ops.models)
    operation = APIRouter(tags=["operation"], default_response_class=PlainTextResponse)
    operation.get("/healthz")(routes_ops.healthz)
    operation.get("/readyz", responses=NOT_READY)(routes_ops.readyz)
    # Some health checks ask without wanting a body; the server sends none then.
    operation.head("/healthz", include_in_schema=False)(routes_ops.healthz)
    operation.head("/readyz", include_in_schema=False)(routes_ops.readyz)
    operation.get("/metrics", responses=NOT_READY)(routes_ops.metrics)
    operation.get(
        "/study", response_class=HTMLResponse, responses=problem_responses(HTTPStatus.NOT_FOUND)
    )(routes_ops.study)
    app.include_router(operation)
    app.router.routes.extend(page_routes())
    # What has been included is not among the application's own.
    routes = [*app.routes, *operation.routes]
    app.state.paths = frozenset(route.path for route in routes if isinstance(route, Route))


def _lifespan(
    worker: Sequence[str], workers: int, bounds: Bounds
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        hangs_s = max(bounds.hangs_s, HANGS_AFTER * bounds.deadline_s)
        crew = Crew(worker, workers, hangs_s, JOINING)
        stock, *_ = await crew.start()
        try:
            assert isinstance(stock, Stock), "our workers tell what they have loaded"
            for kind, seconds in stock.seconds.items():
                crew.costs.observe(kind, seconds)
            kinds = {card.name: card.kind for card in stock.cards}
            others = (routes_ops.AUTO, *(card.name for card in stock.classifiers))
            metrics = Metrics(CollectorRegistry(), crew, kinds, others)
            admission = Admission(crew, bounds.queue, bounds.held_bytes, bounds.bodies)
            app.state.service = Service(stock, crew, bounds, admission, metrics)
            app.state.ready = True
            yield
        finally:
            app.state.ready = False
            app.state.service = None
            await crew.close()

    return lifespan
