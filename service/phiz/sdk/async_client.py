"""The client of a service for asyncio."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from functools import partial
from typing import Self, Unpack

import httpx
import tenacity

from phiz.errors import PhizError
from phiz.faces import Classification, DetectionResult
from phiz.models.specs import Precision
from phiz.options import (
    BLUR_OPTIONS,
    CLASSIFY_OPTIONS,
    DETECT_OPTIONS,
    AnnotateKeywords,
    BlurKeywords,
    CropKeywords,
    DetectKeywords,
)
from phiz.sdk.calls import (
    AnswerT,
    Call,
    DetectOutcome,
    build_annotate_call,
    build_batch_call,
    build_blur_call,
    build_classify_call,
    build_crop_call,
    build_detect_call,
    build_models_call,
    build_probe_call,
)
from phiz.sdk.exchange import BASE_URL, ClientConfig, Exchange
from phiz.sdk.images import ImageSource, encode_image
from phiz.sdk.ordered import check_concurrency, map_in_tasks
from phiz.sdk.pictures import CropResult, ImageResult
from phiz.wire.models import ModelList


class AsyncClient:
    """A service, as ``Client`` has it, for asyncio.

    Tasks of one event loop may share a client. It keeps connections open until it is closed::

        async with phiz.AsyncClient("http://127.0.0.1:8000") as client:
            result = await client.detect("face.jpg")
    """

    def __init__(  # noqa: PLR0913  keywords, each with its default
        self,
        base_url: str = BASE_URL,
        *,
        api_key: str | None = None,
        timeout_s: float = 30,
        attempts: int = 10,
        max_connections: int = 100,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Connect to nothing yet. Arguments and errors are those of ``Client``."""
        self._config = ClientConfig(base_url, api_key, timeout_s, attempts, max_connections)
        self._http = httpx.AsyncClient(
            base_url=base_url,
            headers=self._config.headers,
            limits=self._config.limits,
            transport=transport,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def detect(
        self,
        image: ImageSource,
        model: str = DETECT_OPTIONS["model"].default,
        *,
        timeout_s: float | None = None,
        **options: Unpack[DetectKeywords],
    ) -> DetectionResult:
        """Return the faces of an image, with the time of each stage.

        Arguments and errors are those of ``Client.detect``.
        """
        return await self._send(build_detect_call(await _encode(image), model, options), timeout_s)

    async def detect_batch(
        self,
        images: Iterable[ImageSource],
        model: str = DETECT_OPTIONS["model"].default,
        *,
        timeout_s: float | None = None,
        **options: Unpack[DetectKeywords],
    ) -> list[DetectOutcome]:
        """Return the faces or the error of each image, in one request.

        Arguments and errors are those of ``Client.detect_batch``.
        """
        encoded = [await _encode(image) for image in images]
        if not encoded:
            return []
        return await self._send(build_batch_call(encoded, model, options), timeout_s)

    def detect_many(
        self,
        images: Iterable[ImageSource] | AsyncIterable[ImageSource],
        model: str = DETECT_OPTIONS["model"].default,
        *,
        concurrency: int = 8,
        timeout_s: float | None = None,
        **options: Unpack[DetectKeywords],
    ) -> AsyncIterator[DetectOutcome]:
        """Yield the faces or the error of each image, in their order, with a request for each.

        Arguments and errors are those of ``Client.detect_many``. The images may also come from an
        asynchronous iterator.
        """
        check_concurrency(concurrency)
        answer = partial(self._try_detect, model=model, timeout_s=timeout_s, options=options)
        return map_in_tasks(answer, images, concurrency)

    async def annotate(
        self,
        image: ImageSource,
        model: str = DETECT_OPTIONS["model"].default,
        *,
        timeout_s: float | None = None,
        **options: Unpack[AnnotateKeywords],
    ) -> ImageResult:
        """Return an image with its faces drawn in, as a JPEG by default.

        Arguments and errors are those of ``Client.annotate``.
        """
        return await self._send(
            build_annotate_call(await _encode(image), model, options), timeout_s
        )

    async def crop(
        self,
        image: ImageSource,
        model: str = DETECT_OPTIONS["model"].default,
        *,
        timeout_s: float | None = None,
        **options: Unpack[CropKeywords],
    ) -> CropResult:
        """Return the faces of an image, cut out.

        Arguments and errors are those of ``Client.crop``.
        """
        return await self._send(build_crop_call(await _encode(image), model, options), timeout_s)

    async def blur(
        self,
        image: ImageSource,
        model: str = BLUR_OPTIONS["model"].default,
        *,
        timeout_s: float | None = None,
        **options: Unpack[BlurKeywords],
    ) -> ImageResult:
        """Return an image with its faces covered.

        Arguments and errors are those of ``Client.blur``.
        """
        return await self._send(build_blur_call(await _encode(image), model, options), timeout_s)

    async def classify(
        self,
        image: ImageSource,
        model: str = CLASSIFY_OPTIONS["model"].default,
        *,
        precision: Precision | None = None,
        top: int = CLASSIFY_OPTIONS["top"].default,
        timeout_s: float | None = None,
    ) -> Classification:
        """Return the most likely classes of an image, with the time of each stage.

        Arguments and errors are those of ``Client.classify``.
        """
        options = {"model": model, "precision": precision, "top": top}
        return await self._send(build_classify_call(await _encode(image), options), timeout_s)

    async def models(self, *, timeout_s: float | None = None) -> ModelList:
        """Return the models of the service.

        Arguments and errors are those of ``Client.models``.
        """
        return await self._send(build_models_call(), timeout_s)

    async def is_healthy(self) -> bool:
        """Return whether the service is alive. It is asked once."""
        return await self._probe("/healthz")

    async def is_ready(self) -> bool:
        """Return whether the service is ready for images. It is asked once."""
        return await self._probe("/readyz")

    async def _probe(self, path: str) -> bool:
        try:
            await self._attempt(self._config.start(build_probe_call(path), None))
        except PhizError:
            return False
        return True

    async def _try_detect(
        self,
        image: ImageSource,
        *,
        model: str,
        timeout_s: float | None,
        options: DetectKeywords,
    ) -> DetectOutcome:
        try:
            return await self.detect(image, model, timeout_s=timeout_s, **options)
        except PhizError as error:
            return error

    async def _send(self, call: Call[AnswerT], timeout_s: float | None) -> AnswerT:
        exchange = self._config.start(call, timeout_s)
        return await tenacity.AsyncRetrying(**exchange.repetition)(self._attempt, exchange)

    async def _attempt(self, exchange: Exchange[AnswerT]) -> AnswerT:
        with exchange.translate_errors():
            response = await self._http.send(exchange.build_request(self._http))
        return exchange.read_answer(response)


async def _encode(image: ImageSource) -> bytes:
    """Return the bytes of an image. Others are not kept waiting for the disk or the encoder."""
    return image if isinstance(image, bytes) else await asyncio.to_thread(encode_image, image)
