"""The frames of a stream that have not begun: the newest one is kept."""

from dataclasses import dataclass

from phiz.errors import PhizError


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame.

    Attributes:
        number: Its number in the stream, from 1.
        image_bytes: The encoded image.
        received_at_s: When it had arrived, by ``time.perf_counter``.
        error: Why it is not processed, or None.
    """

    number: int
    image_bytes: bytes
    received_at_s: float
    error: PhizError | None = None


class NewestFrame:
    """The place of the only frame that waits.

    Attributes:
        received: Number of frames that have arrived.
        dropped: Number of frames that gave way to a newer one.
    """

    __slots__ = ("_frame", "dropped", "received")

    def __init__(self) -> None:
        """Return a place without a frame."""
        self.received = 0
        self.dropped = 0
        self._frame: Frame | None = None

    def offer(self, frame: Frame) -> Frame | None:
        """Keep a frame, and return the older one that is dropped for it, if there is one."""
        older, self._frame = self._frame, frame
        self.dropped += older is not None
        return older

    def take(self) -> Frame | None:
        """Return the frame, which waits no longer, or None."""
        frame, self._frame = self._frame, None
        return frame
