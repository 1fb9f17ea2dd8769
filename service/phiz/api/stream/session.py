"""A stream: one frame is in a worker, the newest one waits, and the others are dropped.

The frames are background tasks of the workers, so they yield to other requests. The faces are
followed here, because each frame may go to another worker.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from phiz.api.errors import NotReadyError, build_problem
from phiz.api.request_record import RequestRecord
from phiz.api.server.bodies import BodyReservation
from phiz.api.server.stream_connection import POLICY_VIOLATION
from phiz.api.service import Service
from phiz.api.stream.frames import Frame, NewestFrame
from phiz.api.stream.options import change_options
from phiz.errors import (
    AccessError,
    BodyTimeoutError,
    DeadlineError,
    EmptyImageError,
    ExcessiveWorkError,
    OptionError,
    OverloadedError,
    PhizError,
)
from phiz.tracking.tracker import Tracks, update_tracks
from phiz.wire.frames import decode_faces, encode_frame, encode_frame_problem
from phiz.wire.messages import EncodedAnswer
from phiz.wire.schemas import StreamParameters
from phiz.wire.workload import describe_workload
from phiz.workers.handle import TaskOwner, WorkTask

SendText: TypeAlias = Callable[[str], Awaitable[None]]

# Of RFC 6455, section 7.4.1, and the registry of IANA.
GOING_AWAY: Final = 1001
INTERNAL_ERROR: Final = 1011
TRY_AGAIN_LATER: Final = 1013

_HANDLER: Final = "detect"


@dataclass(frozen=True, slots=True)
class Closing:
    """The end of a stream.

    Attributes:
        code: Close code (RFC 6455); 0 if the client has left.
        reason: Reason for programs; at most 123 bytes.
        error: Sent before the end, or None.
    """

    code: int
    reason: str = ""
    error: Exception | None = None

    @classmethod
    def from_error(cls, error: PhizError, code: int = POLICY_VIOLATION) -> "Closing":
        """Return the end of a stream by an error, which is sent before it."""
        return cls(code, error.code, error)


class StreamSession:
    """The frames, the options and the faces of one stream, in the thread of the event loop."""

    def __init__(
        self,
        service: Service,
        options: StreamParameters,
        owner: TaskOwner,
        record: RequestRecord,
        body: BodyReservation,
    ) -> None:
        """Return a stream without frames.

        Args:
            service: The service.
            options: Its options.
            owner: The owner of its tasks.
            record: The record of its request.
            body: Holds the bytes of its frames.
        """
        self._service = service
        self._options = options
        self._owner = owner
        self._record = record
        self._body = body
        self._newest = NewestFrame()
        self._tracks = Tracks()
        self._task: WorkTask | None = None
        self._frame: Frame | None = None  # of the task
        self._task_options = options
        self._closing: Closing | None = None
        self._has_ended = asyncio.Event()
        self._has_work = asyncio.Event()
        record.model = options.model

    def receive_frame(self, image_bytes: bytes) -> None:
        """Take a frame that has arrived. An older one that has not begun is dropped.

        A stream that ends takes none.
        """
        if self._closing is not None:
            return
        self._newest.received += 1
        error: PhizError | None = None
        try:
            self._body.add_bytes(len(image_bytes))
        except (OverloadedError, BodyTimeoutError) as refusal:
            image_bytes, error = b"", refusal
        frame = Frame(self._newest.received, image_bytes, time.perf_counter(), error)
        if not self._replace_queued(frame):
            older = self._newest.offer(frame)
            if older is not None:
                self._drop(older)
            self._has_work.set()

    def receive_text(self, text: str) -> None:
        """Take changes of the options, for the frames that begin from now on."""
        try:
            self._options = change_options(self._options, text)
        except OptionError as error:
            self.end(Closing.from_error(error))
        else:
            self._record.model = self._options.model

    def end(self, closing: Closing) -> None:
        """End the stream after the frame in progress. Only the first call counts."""
        if self._closing is None:
            self._closing = closing
            self._has_ended.set()
            self._has_work.set()

    def leave(self) -> None:
        """End the stream at once, because the client has left."""
        self.end(Closing(0))
        if self._task is not None:
            self._service.pool.cancel(self._task, ClientDisconnect())

    async def run(self, send: SendText) -> Closing:
        """Answer frames until the stream ends, and return how.

        Args:
            send: Sends a message, and waits while the client does not read.

        Raises:
            ClientDisconnect: The client has left.
        """
        try:
            while self._closing is None:
                await self._has_work.wait()
                self._has_work.clear()
                if self._closing is None and await self._wait_for_turn():
                    frame = self._newest.take()
                    if frame is not None:
                        await send(await self._answer_frame(frame))
        finally:
            if self._task is not None:
                self._service.pool.cancel(self._task)
        return self._closing

    async def _wait_for_turn(self) -> bool:
        """Return True once the rate of the client allows a frame, or False if the stream ends."""
        admit = self._record.admit_frame
        try:
            while admit is not None and (wait_s := admit()):
                try:
                    await asyncio.wait_for(self._has_ended.wait(), wait_s)
                except TimeoutError:
                    continue
                return False
        except AccessError as error:
            self.end(Closing.from_error(error))
            return False
        return True

    async def _answer_frame(self, frame: Frame) -> str:
        """Return the message of a frame, or of a newer one that took its place in the queue."""
        self._frame = frame
        outcome: EncodedAnswer | PhizError | HTTPException
        try:
            outcome = EncodedAnswer(*await self._process_frame(frame))
        except (PhizError, HTTPException) as error:
            outcome = error
        finally:
            self._task = None
            frame, self._frame = self._frame, None
            self._body.drop_bytes(len(frame.image_bytes))
        self._record.frames += 1
        if not isinstance(outcome, HTTPException):
            self._service.metrics.count_frame(self._task_options.model, outcome)
        if not isinstance(outcome, EncodedAnswer):
            problem = build_problem(outcome)
            return encode_frame_problem(problem, frame.number, self._newest.dropped)
        answer = orjson.loads(outcome.body)
        self._tracks, tracked = update_tracks(
            self._tracks,
            decode_faces(answer),
            frame.received_at_s,
            smooth=self._task_options.smooth == "true",
        )
        return encode_frame(answer, tracked, frame.number, self._newest.dropped)

    async def _process_frame(self, frame: Frame) -> Any:  # noqa: ANN401  what a worker returns
        """Return what a worker returns for a frame.

        Raises:
            PhizError: The frame has an error.
            NotReadyError: The service has no worker, and cannot start one.
            ClientDisconnect: The client has left.
        """
        self._task_options = options = self._options
        service, deadline_s = self._service, self._service.limits.deadline_s
        if frame.error is not None:
            raise frame.error
        if not frame.image_bytes:
            raise EmptyImageError("the binary message is empty; send an image")
        if not service.pool.is_healthy:
            raise NotReadyError
        workload = describe_workload(options, frame.image_bytes)
        forecast = service.pool.latencies.forecast(workload)
        try:
            service.admission.check_work([forecast], service.pool.size, deadline_s)
        except ExcessiveWorkError:
            service.pool.latencies.count_refusal(workload)
            raise
        self._task = service.pool.submit(
            _HANDLER,
            frame.image_bytes,
            options.to_arguments(),
            workload,
            frame.received_at_s,
            self._owner,
            deadline_s,
            forecast.mean_s,
            is_background=True,
        )
        timer = asyncio.get_running_loop().call_later(deadline_s, self._expire, self._task)
        try:
            return await self._task.future
        finally:
            timer.cancel()

    def _expire(self, task: WorkTask) -> None:
        """End a task at the deadline of its frame, which may be newer than the task."""
        deadline_s = self._service.limits.deadline_s
        if task is not self._task or self._frame is None:
            return
        left_s = self._frame.received_at_s + deadline_s - time.perf_counter()
        if left_s > 0:
            asyncio.get_running_loop().call_later(left_s, self._expire, task)
        else:
            self._service.pool.cancel(task, DeadlineError.from_limit(deadline_s))

    def _replace_queued(self, frame: Frame) -> bool:
        """Return whether a frame has taken the place of one that is queued for a worker."""
        task, older = self._task, self._frame
        if task is None or older is None or self._options is not self._task_options:
            return False
        if not frame.image_bytes:
            return False
        workload = describe_workload(self._options, frame.image_bytes)
        # The work of another one was not admitted, nor is its time in the queue.
        if workload != task.workload:
            return False
        pool = self._service.pool
        if not pool.replace_image(task, frame.image_bytes, frame.received_at_s):
            return False
        self._frame = frame
        self._newest.dropped += 1
        self._drop(older)
        return True

    def _drop(self, frame: Frame) -> None:
        """Forget a frame that gave way to a newer one."""
        self._body.drop_bytes(len(frame.image_bytes))
        self._service.metrics.count_dropped_frame()
