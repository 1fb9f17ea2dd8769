"""What operators and clients ask before and beside the detections."""

from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from phiz.api.errors import NotReadyError
from phiz.api.service import service_of
from phiz.cards import Kind, ModelCard
from phiz.detectors import AUTO, AUTO_ORDER
from phiz.detectors.blazeface import LANDMARKS as BLAZEFACE_LANDMARKS
from phiz.detectors.mtcnn import LANDMARKS as MTCNN_LANDMARKS
from phiz.schemas import ModelEntry, ModelList, NetworkEntry

LANDMARKS: dict[Kind, tuple[str, ...]] = {
    "blazeface": BLAZEFACE_LANDMARKS,
    "mtcnn": MTCNN_LANDMARKS,
}


async def models(request: Request) -> ModelList:
    """Return the models that a detection may ask for."""
    entries = [_entry(card) for card in service_of(request).loaded.cards]
    return ModelList(models=[*entries, _auto()])


async def healthz() -> PlainTextResponse:
    """Return 200 as long as the process answers at all."""
    return PlainTextResponse("alive\n")


async def readyz(request: Request) -> PlainTextResponse:
    """Return 200 once every model is loaded and warm, and 503 before that and while stopping."""
    if not request.app.state.ready:
        raise NotReadyError
    return PlainTextResponse("ready\n")


async def metrics(request: Request) -> Response:
    """Return the counters and times of this process, in a format of Prometheus."""
    encode, media_type = choose_encoder(request.headers.get("accept", ""))
    content = encode(service_of(request).metrics.registry)
    return Response(content, headers={"Content-Type": media_type})


def _entry(card: ModelCard) -> ModelEntry:
    return ModelEntry(
        name=card.name,
        title=card.title,
        kind=card.kind,
        input_size=card.input_size,
        landmarks=LANDMARKS[card.kind],
        licence=card.licence,
        min_score=card.min_score,
        networks=[
            NetworkEntry(name=network.name, sha256=network.sha256, bytes=network.size_bytes)
            for network in card.networks
        ],
    )


def _auto() -> ModelEntry:
    common = [name for name in BLAZEFACE_LANDMARKS if name in MTCNN_LANDMARKS]
    return ModelEntry(
        name=AUTO,
        title=f"{', then '.join(AUTO_ORDER)}, until one finds a face",
        kind=AUTO,
        input_size=None,
        landmarks=tuple(common),
        licence=None,
        min_score=None,
        networks=[],
    )
