"""The client of a service."""

from collections.abc import Iterable, Iterator
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
from phiz.sdk.ordered import check_concurrency, map_in_threads
from phiz.sdk.pictures import CropResult, ImageResult
from phiz.wire.models import ModelList


class Client:
    """A service, with the answers of ``phiz.detect`` and its errors.

    Threads may share a client. It keeps connections open until it is closed::

        with phiz.Client("http://127.0.0.1:8000") as client:
            print(client.detect("face.jpg").faces)
    """

    def __init__(  # noqa: PLR0913  keywords, each with its default
        self,
        base_url: str = BASE_URL,
        *,
        api_key: str | None = None,
        timeout_s: float = 30,
        attempts: int = 10,
        max_connections: int = 100,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Connect to nothing yet.

        Args:
            base_url: Address of the service, with the prefix of a proxy if it has one.
            api_key: Key for the service, if it needs one.
            timeout_s: Seconds for a call with all its attempts.
            attempts: Maximum number of attempts: a call is repeated if the service was busy and
                said when to come back, or if there was no connection.
            max_connections: Maximum number of connections.
            transport: Sends the requests, for example with other certificates or through a socket.

        Raises:
            ValueError: The address is not one of HTTP, or a header cannot carry the key.
        """
        self._config = ClientConfig(base_url, api_key, timeout_s, attempts, max_connections)
        self._http = httpx.Client(
            base_url=base_url,
            headers=self._config.headers,
            limits=self._config.limits,
            transport=transport,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def detect(
        self,
        image: ImageSource,
        model: str = DETECT_OPTIONS["model"].default,
        *,
        timeout_s: float | None = None,
        **options: Unpack[DetectKeywords],
    ) -> DetectionResult:
        """Return the faces of an image, with the time of each stage.

        Args:
            image: A path, encoded bytes, or the pixels (H, W, 3), RGB, uint8.
            model: Name of the detector.
            timeout_s: Seconds for this call; None means those of the client.
            options: The options of ``POST /detect``.

        Raises:
            OSError: The file cannot be read.
            PhizError: The service answered so, or not at all.
        """
        return self._send(build_detect_call(encode_image(image), model, options), timeout_s)

    def detect_batch(
        self,
        images: Iterable[ImageSource],
        model: str = DETECT_OPTIONS["model"].default,
        *,
        timeout_s: float | None = None,
        **options: Unpack[DetectKeywords],
    ) -> list[DetectOutcome]:
        """Return the faces or the error of each image, in one request.

        The service limits the number of images of a request; ``detect_many`` does not. Without
        images, the list is empty, and nothing is sent.

        Raises:
            OSError: A file cannot be read.
            PhizError: The service answered so to the whole request, or not at all.
        """
        encoded = [encode_image(image) for image in images]
        if not encoded:
            return []
        return self._send(build_batch_call(encoded, model, options), timeout_s)

    def detect_many(
        self,
        images: Iterable[ImageSource],
        model: str = DETECT_OPTIONS["model"].default,
        *,
        concurrency: int = 8,
        timeout_s: float | None = None,
        **options: Unpack[DetectKeywords],
    ) -> Iterator[DetectOutcome]:
        """Yield the faces or the error of each image, in their order, with a request for each.

        Args:
            images: Any number of images, of which few are held at once.
            model: As for ``detect``.
            concurrency: Number of requests at once.
            timeout_s: Seconds for each image.
            options: As for ``detect``.

        Raises:
            ValueError: ``concurrency`` is below 1, or no whole number.
            OSError: A file cannot be read.
        """
        check_concurrency(concurrency)
        answer = partial(self._try_detect, model=model, timeout_s=timeout_s, options=options)
        return map_in_threads(answer, images, concurrency)

    def annotate(
        self,
        image: ImageSource,
        model: str = DETECT_OPTIONS["model"].default,
        *,
        timeout_s: float | None = None,
        **options: Unpack[AnnotateKeywords],
    ) -> ImageResult:
        """Return an image with its faces drawn in, as a JPEG by default.

        Args:
            image: As for ``detect``.
            model: As for ``detect``.
            timeout_s: As for ``detect``.
            options: The options of ``detect``, and ``format``.

        Raises:
            OSError, PhizError: As ``detect``.
        """
        return self._send(build_annotate_call(encode_image(image), model, options), timeout_s)

    def crop(
        self,
        image: ImageSource,
        model: str = DETECT_OPTIONS["model"].default,
        *,
        timeout_s: float | None = None,
        **options: Unpack[CropKeywords],
    ) -> CropResult:
        """Return the faces of an image, cut out.

        Args:
            image: As for ``detect``.
            model: As for ``detect``.
            timeout_s: As for ``detect``.
            options: The options of ``POST /crops``, without ``format``.

        Raises:
            OSError, PhizError: As ``detect``.
        """
        return self._send(build_crop_call(encode_image(image), model, options), timeout_s)

    def blur(
        self,
        image: ImageSource,
        model: str = BLUR_OPTIONS["model"].default,
        *,
        timeout_s: float | None = None,
        **options: Unpack[BlurKeywords],
    ) -> ImageResult:
        """Return an image with its faces covered.

        Args:
            image: As for ``detect``.
            model: As for ``detect``, with another default.
            timeout_s: As for ``detect``.
            options: The options of ``POST /blur``.

        Raises:
            OSError, PhizError: As ``detect``.
        """
        return self._send(build_blur_call(encode_image(image), model, options), timeout_s)

    def classify(
        self,
        image: ImageSource,
        model: str = CLASSIFY_OPTIONS["model"].default,
        *,
        precision: Precision | None = None,
        top: int = CLASSIFY_OPTIONS["top"].default,
        timeout_s: float | None = None,
    ) -> Classification:
        """Return the most likely classes of an image, with the time of each stage.

        Args:
            image: As for ``detect``.
            model: Name of the classifier.
            precision: Precision of its network; None means the best one for the service.
            top: Number of classes, best first.
            timeout_s: As for ``detect``.

        Raises:
            OSError, PhizError: As ``detect``.
        """
        options = {"model": model, "precision": precision, "top": top}
        return self._send(build_classify_call(encode_image(image), options), timeout_s)

    def models(self, *, timeout_s: float | None = None) -> ModelList:
        """Return the models of the service.

        Raises:
            PhizError: The service answered so, or not at all.
        """
        return self._send(build_models_call(), timeout_s)

    def is_healthy(self) -> bool:
        """Return whether the service is alive. It is asked once."""
        return self._probe("/healthz")

    def is_ready(self) -> bool:
        """Return whether the service is ready for images. It is asked once."""
        return self._probe("/readyz")

    def _probe(self, path: str) -> bool:
        try:
            self._attempt(self._config.start(build_probe_call(path), None))
        except PhizError:
            return False
        return True

    def _try_detect(
        self,
        image: ImageSource,
        *,
        model: str,
        timeout_s: float | None,
        options: DetectKeywords,
    ) -> DetectOutcome:
        try:
            return self.detect(image, model, timeout_s=timeout_s, **options)
        except PhizError as error:
            return error

    def _send(self, call: Call[AnswerT], timeout_s: float | None) -> AnswerT:
        exchange = self._config.start(call, timeout_s)
        answer: AnswerT = tenacity.Retrying(**exchange.repetition)(self._attempt, exchange)
        return answer

    def _attempt(self, exchange: Exchange[AnswerT]) -> AnswerT:
        with exchange.translate_errors():
            response = self._http.send(exchange.build_request(self._http))
        return exchange.read_answer(response)
