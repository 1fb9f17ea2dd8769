"""What the routes share while the service runs."""

from dataclasses import dataclass
from typing import Final

from starlette.requests import Request

from phiz.api.admission import Admission
from phiz.api.errors import NotReadyError
from phiz.api.metrics import Metrics
from phiz.wire.messages import ModelInventory
from phiz.workers.pool import WorkerPool

MAX_BODIES: Final = 1024


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """Limits of the body of a request.

    Attributes:
        max_images: Maximum number of images.
        max_image_bytes: Maximum size of an image.
        max_body_bytes: Maximum size of all images together.
        timeout_s: Maximum time until the body is complete.
    """

    max_images: int
    max_image_bytes: int
    max_body_bytes: int
    timeout_s: float


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """How much of everything a request may have.

    Attributes:
        max_image_bytes: Of one picture.
        max_images: So many in one request.
        body_timeout_s: How long a body may take to come.
        deadline_s: How long the answer may take after that.
        max_bodies: How many may come at once; a slow one costs little but its connection.
        max_queued: How many detections may wait; None for what can be answered in time.
        hang_timeout_s: A worker that spends so long on one picture, and twice the deadline, hangs;
            a large one through a cascade takes its time.
    """

    max_image_bytes: int
    max_images: int = 16
    body_timeout_s: float = 30
    deadline_s: float = 10
    max_bodies: int = MAX_BODIES
    max_queued: int | None = None
    hang_timeout_s: float = 30

    @property
    def max_body_bytes(self) -> int:
        """Of all the pictures of one request."""
        return 2 * self.max_image_bytes

    @property
    def max_held_bytes(self) -> int:
        """Of all the bodies that are here at once."""
        return 8 * self.max_image_bytes

    def for_image(self) -> BodyLimits:
        """Return the limits of a body with one image."""
        return BodyLimits(1, self.max_image_bytes, self.max_image_bytes, self.body_timeout_s)

    def for_batch(self) -> BodyLimits:
        """Return the limits of a body with several images."""
        # More than the queue holds could never be admitted.
        queued = self.max_images if self.max_queued is None else self.max_queued
        max_images = min(self.max_images, queued)
        return BodyLimits(
            max_images, self.max_image_bytes, self.max_body_bytes, self.body_timeout_s
        )


@dataclass(frozen=True, slots=True)
class Service:
    """A started service.

    Attributes:
        inventory: What it detects with.
        pool: Who does.
        limits: Of every request.
        image_limits: Of a body with one image.
        batch_limits: Of a body with several images.
        admission: Who may wait for an answer.
        metrics: What it counts.
    """

    inventory: ModelInventory
    pool: WorkerPool
    limits: RequestLimits
    image_limits: BodyLimits
    batch_limits: BodyLimits
    admission: Admission
    metrics: Metrics


def get_service(request: Request) -> Service:
    """Return the service that answers a request, whether or not it has workers.

    Raises:
        NotReadyError: It has not started, or has ended.
    """
    service = request.app.state.service
    if not isinstance(service, Service):
        raise NotReadyError
    return service
