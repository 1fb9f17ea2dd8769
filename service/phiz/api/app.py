"""The application: its routes, and what is loaded before it answers."""

import io
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from http import HTTPStatus

from fastapi import APIRouter, FastAPI
from PIL import Image as Pillow
from prometheus_client import CollectorRegistry
from starlette.responses import PlainTextResponse

import phiz
from phiz.api import operations
from phiz.api.admission import QUEUE_PER_THREAD, Admission
from phiz.api.body import BODY_TIMEOUT_S
from phiz.api.detect import detect
from phiz.api.errors import add_handlers
from phiz.api.openapi import DESCRIPTION, detect_operation, detect_responses, problem_responses
from phiz.api.page import page_routes
from phiz.api.service import Loaded, Service
from phiz.detectors import Detector
from phiz.engine import Engine
from phiz.faces import DetectOptions
from phiz.image import Limits, open_picture
from phiz.metrics import Metrics
from phiz.pool import Pool
from phiz.scenes import draw_crowd
from phiz.timings import Stopwatch

NOT_READY = problem_responses(HTTPStatus.SERVICE_UNAVAILABLE)
WARM_UP_SIZE_WH = (320, 240)
WARM_UP_SEED = 1  # mtcnn finds 18 faces in this one


def create_app(
    load: Callable[[], Loaded],
    threads: int,
    queue: int | None = None,
    body_timeout_s: float = BODY_TIMEOUT_S,
) -> FastAPI:
    """Return the application; it loads when its lifespan begins.

    ``state.ready`` says whether it should be given requests.

    Args:
        load: Returns the engine and the cards of its models; called once, in a thread.
        threads: How many pictures are worked on at once.
        queue: How many detections may wait for a thread; None means 16 for each thread.
        body_timeout_s: How long the body of a request may take to come.
    """
    app = FastAPI(
        title="phiz",
        summary="Face detection with the time of every stage.",
        description=DESCRIPTION,
        version=phiz.__version__,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan(load, threads, queue or QUEUE_PER_THREAD * threads, body_timeout_s),
        routes=page_routes(),
    )
    app.state.service = None
    app.state.ready = False
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
    app.get("/models", tags=["detection"], responses=NOT_READY)(operations.models)
    operation = APIRouter(tags=["operation"], default_response_class=PlainTextResponse)
    operation.get("/healthz")(operations.healthz)
    operation.get("/readyz", responses=NOT_READY)(operations.readyz)
    # Some health checks ask without wanting a body; the server sends none then.
    operation.head("/healthz", include_in_schema=False)(operations.healthz)
    operation.head("/readyz", include_in_schema=False)(operations.readyz)
    operation.get("/metrics", responses=NOT_READY)(operations.metrics)
    app.include_router(operation)


def _lifespan(
    load: Callable[[], Loaded], threads: int, queue: int, body_timeout_s: float
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with closing(Pool(threads)) as pool:
            loaded = await pool.run(load)
            await warm_up(loaded.engine, pool)
            metrics = Metrics(CollectorRegistry(), lambda: pool.waiting)
            metrics.loaded({card.name: card.kind for card in loaded.cards})
            admission = Admission(queue, lambda: pool.waiting)
            app.state.service = Service(loaded, pool, admission, metrics, body_timeout_s)
            app.state.ready = True
            yield
            app.state.ready = False
            app.state.service = None

    return lifespan


async def warm_up(engine: Engine, pool: Pool) -> None:
    """Let every network run in all threads, so that no caller waits for what is done only once.

    All threads at once, because some of it is done once for each caller at the same time. The
    picture has faces: in one without, a cascade's later networks have nothing to look at.
    """
    width, height = WARM_UP_SIZE_WH
    file = io.BytesIO()
    Pillow.fromarray(draw_crowd(width, height, WARM_UP_SEED)).save(file, "JPEG")
    for detector in engine.detectors.values():
        await pool.run_in_each(_detect_once, detector, file.getvalue())


def _detect_once(detector: Detector, jpeg: bytes) -> None:
    # The engine's own limits are for callers; they may be smaller than this picture.
    width, height = WARM_UP_SIZE_WH
    picture = open_picture(jpeg, Limits(len(jpeg), width * height))
    detector.detect(picture, DetectOptions(), Stopwatch())
