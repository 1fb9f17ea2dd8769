"""The state of a running service, which its routes share."""

import math
from dataclasses import dataclass
from typing import Final

from starlette.requests import HTTPConnection

from phiz.api.admission import Admission
from phiz.api.errors import NotReadyError
from phiz.api.fetch.fetcher import ImageFetcher
from phiz.api.fetch.hosts import HostRules
from phiz.api.metrics import Metrics
from phiz.api.stream.places import StreamPlaces
from phiz.wire.messages import ModelInventory
from phiz.workers.pool import WorkerPool

MAX_BODIES: Final = 512
MAX_CONNECTIONS: Final = 1024


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
    """Limits of every request.

    Attributes:
        max_image_bytes: Maximum size of an image.
        max_images: Maximum number of images in one request.
        body_timeout_s: Maximum seconds until a body is complete.
        deadline_s: Maximum seconds from then to the answer.
        max_bodies: Maximum number of bodies that arrive at once.
        max_connections: Maximum number of connections.
        spare_bytes: Memory for all bodies.
        max_queued: Maximum number of queued images; None for as many as can be answered in time.
        url_hosts: Hosts that images may be fetched from; None if none may be fetched.
        hang_timeout_s: Seconds without a sign of life after which a worker is replaced.
        max_streams: Maximum number of open streams.
    """

    max_image_bytes: int
    max_images: int = 16
    body_timeout_s: float = 30
    deadline_s: float = 10
    max_bodies: int = MAX_BODIES
    max_connections: int = MAX_CONNECTIONS
    spare_bytes: float = math.inf
    max_queued: int | None = None
    url_hosts: HostRules | None = None
    hang_timeout_s: float = 2
    max_streams: int = 16

    @property
    def max_body_bytes(self) -> int:
        """Maximum bytes of all images of one request."""
        return 2 * self.max_image_bytes

    @property
    def max_held_bytes(self) -> int:
        """Maximum bytes of all bodies together."""
        # The largest body is accepted however little memory there is; one address has 7/8 of it.
        least = 5 * self.max_image_bytes / 2
        return int(min(8 * self.max_image_bytes, max(least, self.spare_bytes)))

    def for_image(self) -> BodyLimits:
        """Return the limits of a body with one image."""
        return BodyLimits(1, self.max_image_bytes, self.max_image_bytes, self.body_timeout_s)

    def for_batch(self) -> BodyLimits:
        """Return the limits of a body with several images."""
        # A request with more images than the queue has places could never be admitted.
        queued = self.max_images if self.max_queued is None else self.max_queued
        max_images = min(self.max_images, queued)
        return BodyLimits(
            max_images, self.max_image_bytes, self.max_body_bytes, self.body_timeout_s
        )


@dataclass(frozen=True, slots=True)
class Service:
    """A started service.

    Attributes:
        inventory: Its models.
        pool: Its workers.
        limits: Limits of every request.
        image_limits: Limits of a body with one image.
        batch_limits: Limits of a body with several images.
        admission: Its admission.
        metrics: Its metrics.
        streams: Places of its streams.
        fetcher: Fetches images by their addresses, if it may.
    """

    inventory: ModelInventory
    pool: WorkerPool
    limits: RequestLimits
    image_limits: BodyLimits
    batch_limits: BodyLimits
    admission: Admission
    metrics: Metrics
    streams: StreamPlaces
    fetcher: ImageFetcher | None = None


def get_service(request: HTTPConnection) -> Service:
    """Return the service that answers a request, whether or not it has workers.

    Raises:
        NotReadyError: It has not started, or has ended.
    """
    service = request.app.state.service
    if not isinstance(service, Service):
        raise NotReadyError
    return service
