"""All errors of phiz, as one tree that does not depend on HTTP.

::

    PhizError
    ├── ImageError                 the image that was sent
    │   ├── EmptyImageError        no bytes at all
    │   ├── UnsupportedImageError  not an image of a supported format
    │   ├── UndecodableImageError  a damaged or truncated image
    │   ├── ImageBytesError        more bytes than the limit
    │   ├── ImagePixelsError       more pixels in the header than the limit
    │   └── NoFaceError            no face, for an interface that calls that an error
    ├── RequestError               how it was sent
    │   ├── MalformedBodyError     the body does not match its content type
    │   ├── BodyTimeoutError       the body arrived too slowly
    │   ├── ContentCodingError     the body is compressed
    │   ├── MissingImageError      no image in the body
    │   ├── RangeError             the range of a file
    │   ├── NotAcceptableError     the answer has no format that is accepted
    │   ├── NotSupportedError      a part of another server's interface that phiz lacks
    │   ├── UnknownModelError      no model has the name in the address
    │   └── OptionError            an option is unknown or out of range
    ├── UrlError                   the address of the image
    │   ├── UrlDisabledError       the service fetches no images
    │   ├── UrlNotAllowedError     the service does not fetch from this address
    │   ├── UrlUnreachableError    no connection to the host
    │   ├── UrlAnswerError         the host did not answer with an image
    │   └── UrlTimeoutError        the image arrived too slowly
    ├── AccessError                who sent it
    │   ├── ApiKeyError            no valid API key
    │   ├── ScopeError             the key does not allow it
    │   ├── OriginError            a web page of another origin
    │   └── RateLimitError         more requests than the rate
    ├── CapacityError              the service has too little of something
    │   ├── OverloadedError        the queue is full
    │   └── OutOfMemoryError       the memory was not enough for the image
    ├── ExcessiveWorkError         the work would take longer than the deadline allows
    ├── DeadlineError              the deadline passed before the answer
    ├── WorkError                  the worker
    │   ├── WorkerDiedError        the worker process ended
    │   └── WorkerFaultError       the worker failed unexpectedly
    ├── ServiceError               a service, as its client sees it
    │   ├── ServiceConnectionError no answer came
    │   └── ServiceAnswerError     the answer is not one of phiz
    ├── VideoError                 a video cannot be read or written
    ├── SettingError               the settings of the service
    ├── StudyMissingError          this machine has not been measured
    └── ModelError                 the model
        ├── CatalogError           the catalogue contradicts itself
        ├── SourceError            a source file is missing or differs from the pinned one
        ├── ConversionError        the converter does not support a source file
        ├── BuildError             some networks could not be built
        ├── ModelNotBuiltError     a model file does not exist
        └── ModelCorruptError      a model file differs from the catalogue

Each class has a ``code`` that stays the same as long as the interface does. A message gives the
error, the limit, the value and what to do. It never contains the content of an image.

If a request can cause the error, the class also has a ``remedy``, and the first line of its
docstring is the cause. Both are Markdown, for the table of the reference (``docs/http.md``).
"""

from typing import ClassVar, Self


class PhizError(Exception):
    """The root of all errors that phiz raises on purpose.

    Attributes:
        status: Status of the answer of the service that had the error; None in process.
        request_id: ID of the request in the log of that service; None in process.
        retry_after_s: Seconds after which to try again; None if that would not help.
    """

    code: ClassVar[str] = "error"
    remedy: ClassVar[str] = ""

    status: int | None = None
    request_id: str | None = None
    retry_after_s: float | None = None


class ImageError(PhizError):
    """Something is wrong with the image itself."""

    code = "bad_image"


class EmptyImageError(ImageError):
    """The image has no bytes."""

    code = "empty_image"
    remedy = "send the content of the file, and check that it is not empty"


class UnsupportedImageError(ImageError):
    """The bytes are not an image of a supported format and variety."""

    code = "unsupported_image"
    remedy = "send a JPEG or a PNG, as bytes; the detail often names the format received"


class UndecodableImageError(ImageError):
    """The file begins like an image, but is damaged, truncated or without pixels."""

    code = "undecodable_image"
    remedy = "send the complete file"


class ImageBytesError(ImageError):
    """The image, or the request body, is larger than `PHIZ_MAX_BYTES` bytes."""

    code = "too_many_bytes"
    remedy = "send a smaller file, such as a JPEG"


class ImagePixelsError(ImageError):
    """The image has more than `PHIZ_MAX_PIXELS` pixels to decode."""

    code = "too_many_pixels"
    remedy = "send a smaller image"


class NoFaceError(ImageError):
    """The image has no face, and the address is one of CompreFace's, which refuses such images."""

    code = "no_face"
    remedy = "send an image with a face, or lower `det_prob_threshold`; `/detect` answers 200"


class RequestError(PhizError):
    """The request is invalid."""

    code = "bad_request"


class MalformedBodyError(RequestError):
    """The body does not match its content type, or curl's `-d` or bad base64 spoils the image."""

    code = "malformed_body"
    remedy = "leave the header `Content-Type` to the client; use curl's `-F` or `--data-binary`"


class BodyTimeoutError(RequestError):
    """The body was too slow: over `PHIZ_BODY_TIMEOUT` seconds, or the slowest of too many."""

    code = "body_too_slow"
    remedy = "send a smaller image, or use a faster connection"


class ContentCodingError(RequestError):
    """The body is compressed: it has a `Content-Encoding`."""

    code = "unsupported_content_coding"
    remedy = "send the body without compression"


class MissingImageError(RequestError):
    """The body has no field or member `image`, or a file name in place of the image."""

    code = "missing_image"
    remedy = "name the field `image`; with curl, write `@` before the name: `-F image=@face.jpg`"


class RangeError(RequestError):
    """The header `Range` is malformed, or there is no such range in the file."""

    code = "bad_range"
    remedy = "send no `Range`, or one such as `bytes=0-999`"


class NotAcceptableError(RequestError):
    """The header `Accept` asks for other formats than the answer has."""

    code = "not_acceptable"
    remedy = "send an `Accept` that the detail lists, or set the option `format`"


class NotSupportedError(RequestError):
    """The address belongs to another server's interface, of which phiz has the detection alone."""

    code = "not_supported"
    remedy = "use the address of the detection, which the message names"


class UnknownModelError(RequestError):
    """No model has the name, or the version, in the address."""

    code = "unknown_model"
    remedy = "use one of the names that the message lists"


class OptionError(RequestError):
    """An option is unknown or repeated, or its value is out of range."""

    code = "bad_option"
    remedy = "use an option and a value that the detail lists"


class UrlError(PhizError):
    """The image cannot be fetched from its address.

    No message contains the address, or tells what is inside of the service's network.
    """

    code = "bad_url"


class UrlDisabledError(UrlError):
    """The service does not fetch images: `PHIZ_URL_HOSTS` is not set."""

    code = "url_disabled"
    remedy = "send the image itself, or set `PHIZ_URL_HOSTS` on the machine of the service"


class UrlNotAllowedError(UrlError):
    """The option `url` is not an `https` address of a host that `PHIZ_URL_HOSTS` allows."""

    code = "url_not_allowed"
    remedy = "use an `https` address of an allowed host, or send the image itself"


class UrlUnreachableError(UrlError):
    """The host has no allowed address, accepts no connection, or has no valid certificate."""

    code = "url_unreachable"
    remedy = "check that the address opens in a browser, or send the image itself"


class UrlAnswerError(UrlError):
    """The host answered without an image: with another status than 200, or compressed."""

    code = "url_bad_answer"
    remedy = "use an address that opens without signing in, or send the image itself"


class UrlTimeoutError(UrlError):
    """The image was not fetched within `PHIZ_DEADLINE` or `Phiz-Deadline` seconds."""

    code = "url_too_slow"
    remedy = "send the image itself, or try again later"


class AccessError(PhizError):
    """The client may not send the request."""

    code = "no_access"


class ApiKeyError(AccessError):
    """The service needs an API key, and the request has none that is valid."""

    code = "invalid_api_key"
    remedy = "send a key of the operator as `X-API-Key: KEY` or `Authorization: Bearer KEY`"


class ScopeError(AccessError):
    """The API key does not have the scope that the address needs."""

    code = "missing_scope"
    remedy = "ask the operator for a key with the scope that the detail names"


class OriginError(AccessError):
    """A web page of another origin wants to open a stream."""

    code = "foreign_origin"
    remedy = "open the page from the service itself, or add its origin to `PHIZ_CORS_ORIGINS`"


class RateLimitError(AccessError):
    """The client has sent more requests than its rate.

    Attributes:
        retry_after_s: Seconds after which the next request is allowed.
    """

    code = "rate_exceeded"
    remedy = "send fewer requests, or try again after the seconds in the header `Retry-After`"

    retry_after_s: float

    def __init__(self, message: str, retry_after_s: float = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class CapacityError(PhizError):
    """The service cannot answer now, but may later.

    Attributes:
        retry_after_s: Seconds after which the client should try again.
    """

    code = "no_capacity"

    retry_after_s: float

    def __init__(self, message: str, retry_after_s: float = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class OverloadedError(CapacityError):
    """The answer would be late, the queue is full, or the pending bodies are too large."""

    code = "overloaded"
    remedy = "try again after the seconds given in the header `Retry-After`"


class OutOfMemoryError(CapacityError):
    """The memory of the service was not enough for the image. The worker has been replaced."""

    code = "out_of_memory"
    remedy = "send a smaller image, or try again after the seconds given in `Retry-After`"


class ExcessiveWorkError(PhizError):
    """The images would take far longer than the deadline, by the times of similar ones."""

    code = "too_much_work"
    remedy = (
        "send a smaller image or fewer images, choose a faster model, or set `min_face` or"
        " `budget_ms`"
    )


class DeadlineError(PhizError):
    """The answer was not ready within `PHIZ_DEADLINE` or `Phiz-Deadline` seconds."""

    code = "deadline_exceeded"
    remedy = "send a smaller image, choose a faster model, or try again later"

    @classmethod
    def from_limit(cls, deadline_s: float) -> Self:
        """Return the error of an answer that was not ready after so many seconds."""
        return cls(f"the answer was not ready after the limit of {deadline_s:g} s; {cls.remedy}")


class WorkError(PhizError):
    """A worker failed."""

    code = "work_failed"


class WorkerDiedError(WorkError):
    """The worker process ended (killed, out of memory). It has been replaced."""

    code = "worker_died"
    remedy = "send a smaller image if it happens again"


class WorkerFaultError(WorkError):
    """The service failed. Its log has the details, without the image."""

    code = "internal"
    remedy = "report it with the `X-Request-Id` of the answer"


class ServiceError(PhizError):
    """A client has no answer of a service."""

    code = "no_service"


class ServiceConnectionError(ServiceError):
    """There is no connection to the service, or no answer came in time."""

    code = "no_answer"


class ServiceAnswerError(ServiceError):
    """The answer is not one of phiz, or is one that only other clients get."""

    code = "bad_answer"


class VideoError(PhizError):
    """A video cannot be opened, read or written."""

    code = "bad_video"


class SettingError(PhizError):
    """A setting has an unusable value."""

    code = "bad_setting"


class StudyMissingError(PhizError):
    """This machine has not been measured, so there is no report."""

    code = "study_missing"
    remedy = "run `phiz study` on the machine of the service"


class ModelError(PhizError):
    """A model, or a source of it, is unusable."""

    code = "bad_model"


class CatalogError(ModelError):
    """The catalogue is unreadable, or contradicts itself."""

    code = "bad_catalog"


class SourceError(ModelError):
    """A source file is missing, or differs from the pinned one."""

    code = "bad_source"


class ConversionError(ModelError):
    """The converter does not support a source file."""

    code = "conversion_failed"


class BuildError(ModelError):
    """Some networks could not be built; the others were."""

    code = "build_failed"


class ModelNotBuiltError(ModelError):
    """The model is not built."""

    code = "model_not_built"
    remedy = "run the command given in the detail on the machine of the service"


class ModelCorruptError(ModelError):
    """The file of the model differs from the catalogue. The log names it."""

    code = "model_corrupt"
    remedy = "build the model again"
