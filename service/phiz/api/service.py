"""What the routes share while the service runs."""

from dataclasses import dataclass

from starlette.requests import Request

from phiz.api.admission import Admission
from phiz.api.errors import NotReadyError
from phiz.cards import ModelCard
from phiz.engine import Engine
from phiz.metrics import Metrics
from phiz.pool import Pool


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a service is started with: the engine, and the cards of its models."""

    engine: Engine
    cards: tuple[ModelCard, ...]


@dataclass(frozen=True, slots=True)
class Service:
    """A started service.

    Attributes:
        loaded: What it detects with.
        pool: Where it does.
        admission: Who may wait for that.
        metrics: What it counts.
        body_timeout_s: How long a body may take to come.
    """

    loaded: Loaded
    pool: Pool
    admission: Admission
    metrics: Metrics
    body_timeout_s: float


def service_of(request: Request) -> Service:
    """Return the service that answers a request.

    Raises:
        NotReadyError: It has not started, or has ended.
    """
    service = request.app.state.service
    if not isinstance(service, Service):
        raise NotReadyError
    return service
