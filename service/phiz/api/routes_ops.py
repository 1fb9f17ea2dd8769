"""What operators and clients ask before and beside the detections."""

from dataclasses import asdict, replace

from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response

from phiz.api.errors import NotReadyError
from phiz.api.service import service_of, started
from phiz.errors import StudyMissingError
from phiz.models.operating_point import OperatingPoint
from phiz.models.specs import Form, ModelCard
from phiz.wire.messages import Measured, Stock
from phiz.wire.models import (
    ClassifierEntry,
    ClassifierForm,
    MeasuredEntry,
    ModelEntry,
    ModelList,
    NetworkEntry,
    OperatingPointEntry,
)

AUTO = "auto"
STUDY_POLICY = "default-src 'none'; style-src 'unsafe-inline'"  # all that the page has


async def models(request: Request) -> ModelList:
    """Return what a detection may ask for, and a classification where it is built."""
    stock = service_of(request).stock
    entries = [_entry(card, stock) for card in stock.cards]
    classifiers = [_classifier(card, stock) for card in stock.classifiers]
    return ModelList(models=[*entries, _auto(stock)], classifiers=classifiers)


async def study(request: Request) -> FileResponse:
    """Return the report of what this machine can do, a page by itself.

    Raises:
        StudyMissingError: Nobody has measured it.
    """
    page = request.app.state.study
    if page is None or not page.is_file():
        raise StudyMissingError("this machine was not measured; do it with: phiz study")
    return FileResponse(page, headers={"Content-Security-Policy": STUDY_POLICY})


async def healthz() -> PlainTextResponse:
    """Return 200 as long as the process answers at all."""
    return PlainTextResponse("alive\n")


async def readyz(request: Request) -> PlainTextResponse:
    """Return 200 once every model is loaded and warm, and 503 before that and while stopping."""
    if not request.app.state.ready or not service_of(request).crew.able:
        raise NotReadyError
    return PlainTextResponse("ready\n")


async def metrics(request: Request) -> Response:
    """Return the counters and times of the service, in a format of Prometheus."""
    encode, media_type = choose_encoder(request.headers.get("accept", ""))
    content = encode(started(request).metrics.registry)
    return Response(content, headers={"Content-Type": media_type})


def _entry(card: ModelCard, stock: Stock) -> ModelEntry:
    return ModelEntry(
        name=card.name,
        title=card.title,
        kind=card.kind,
        input_size=card.input_size,
        landmarks=stock.landmarks[card.kind],
        licence=card.licence,
        min_score=card.min_score,
        operating_point=_point(card.operating_point),
        networks=[
            NetworkEntry(
                name=network.name,
                sha256=network.sha256,
                bytes=network.size_bytes,
                measured=_measured(stock.measured.get(network.name)),
            )
            for network in card.networks
        ],
    )


def _measured(found: Measured | None) -> MeasuredEntry | None:
    return None if found is None else MeasuredEntry(**asdict(found))


def _auto(stock: Stock) -> ModelEntry:
    first, *others = stock.landmarks.values()
    return ModelEntry(
        name=AUTO,
        title="a glance, then the cascade as far as more faces are likely",
        kind=AUTO,
        input_size=None,
        landmarks=tuple(name for name in first if all(name in other for other in others)),
        licence=None,
        min_score=stock.router.min_score,
        operating_point=_point(stock.router.operating_point),
        networks=[],
    )


def _point(point: OperatingPoint | None) -> OperatingPointEntry | None:
    if point is None:
        return None
    return OperatingPointEntry(
        measured_on=point.measured_on,
        precision=point.precision,
        recall=dict(point.recall),
        alarms=point.alarms,
    )


def _classifier(card: ModelCard, stock: Stock) -> ClassifierEntry:
    assert card.input_size is not None, "the catalogue gives every classifier its input size"
    (network,) = card.networks
    return ClassifierEntry(
        name=card.name,
        title=card.title,
        input_size=card.input_size,
        licence=card.licence,
        default_precision=stock.default_forms[card.name],
        precisions=[
            ClassifierForm(
                precision=each.form,
                # Its bytes are verified before it is used; this is asked for more often.
                built=(stock.folder / each.file).is_file(),
                sha256=each.sha256,
                bytes=each.size_bytes,
                measured=_measured_in(each.form, stock.measured.get(network.name)),
            )
            for each in (network, *network.variants)
        ],
    )


def _measured_in(form: Form, found: Measured | None) -> MeasuredEntry | None:
    """Return what was measured of a classifier in a form: of the best one, and of float32."""
    if found is None:
        return None
    if form == found.precision:
        return _measured(found)
    if form == "float32":  # the reference
        return _measured(replace(found, precision=form, median_ms=found.reference_ms))
    return None
