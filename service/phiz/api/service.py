"""What the routes share while the service runs."""

from dataclasses import dataclass
from typing import Final

from starlette.requests import Request

from phiz.api.admission import Admission
from phiz.api.errors import NotReadyError
from phiz.api.metrics import Metrics
from phiz.wire.messages import Stock
from phiz.workers.pool import Crew

BODIES: Final = 1024


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much of everything a request may have.

    Attributes:
        picture_bytes: Of one picture.
        pictures: So many in one request.
        body_s: How long a body may take to come.
        deadline_s: How long the answer may take after that.
        bodies: How many may come at once; one that comes slowly costs little but its connection.
        queue: How many detections may wait; None for what can be answered in time.
        hangs_s: A worker that is at one picture for so long, and for twice the deadline, hangs;
            a large one through a cascade takes its time.
    """

    picture_bytes: int
    pictures: int = 16
    body_s: float = 30
    deadline_s: float = 10
    bodies: int = BODIES
    queue: int | None = None
    hangs_s: float = 30

    @property
    def body_bytes(self) -> int:
        """Of all the pictures of one request."""
        return 2 * self.picture_bytes

    @property
    def held_bytes(self) -> int:
        """Of all the bodies that are here at once."""
        return 8 * self.picture_bytes


@dataclass(frozen=True, slots=True)
class Service:
    """A started service.

    Attributes:
        stock: What it detects with.
        crew: Who does.
        bounds: Of every request.
        admission: Who may wait for an answer.
        metrics: What it counts.
    """

    stock: Stock
    crew: Crew
    bounds: Bounds
    admission: Admission
    metrics: Metrics


def service_of(request: Request) -> Service:
    """Return the service that answers a request.

    Raises:
        NotReadyError: It has not started, or has ended, or no worker can begin.
    """
    service = started(request)
    if not service.crew.able:
        raise NotReadyError
    return service


def started(request: Request) -> Service:
    """Return the service that answers a request, whether or not it has workers.

    Raises:
        NotReadyError: It has not started, or has ended.
    """
    service = request.app.state.service
    if not isinstance(service, Service):
        raise NotReadyError
    return service
