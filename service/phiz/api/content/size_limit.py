"""The limit of the bytes of a body."""

from dataclasses import dataclass

from phiz.api.server.bodies import BodyReservation
from phiz.errors import ImageBytesError


@dataclass(frozen=True, slots=True)
class SizeLimit:
    """The limit of the bytes of a body.

    Attributes:
        max_bytes: Maximum bytes of the images.
        overhead_bytes: Maximum bytes of the rest of the body.
    """

    max_bytes: int
    overhead_bytes: int = 0

    def check_length(self, length: int) -> None:
        """Check the announced length of a body.

        Raises:
            ImageBytesError: It is larger than the limit.
        """
        if length > self.max_bytes + self.overhead_bytes:
            raise build_size_error(f"the body has {length} bytes", *self._limits)

    def count(self, piece: bytes, reservation: BodyReservation) -> None:
        """Count a piece of a body.

        Raises:
            ImageBytesError: The body has more bytes so far than the limit.
            OverloadedError: All bodies together have too many bytes.
        """
        reservation.add_bytes(len(piece))
        if reservation.size_bytes > self.max_bytes + self.overhead_bytes:
            received = f"{reservation.size_bytes} bytes have arrived so far"
            raise build_size_error(received, *self._limits)

    @property
    def _limits(self) -> tuple[int, int]:
        return self.max_bytes, self.overhead_bytes


def build_size_error(found: str, max_bytes: int, overhead_bytes: int = 0) -> ImageBytesError:
    """Return the error of a body or an image that is too large."""
    rest = f" for the image and {overhead_bytes} for the rest of the form" if overhead_bytes else ""
    return ImageBytesError(f"{found}; the limit is {max_bytes}{rest}; send a smaller image")
