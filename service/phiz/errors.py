"""All errors of phiz, as one tree that does not depend on HTTP.

::

    PhizError
    ├── ImageError                 the image that was sent
    │   ├── EmptyImageError        no bytes at all
    │   ├── UnsupportedImageError  not an image of a supported format
    │   ├── UndecodableImageError  a damaged or truncated image
    │   ├── ImageBytesError        more bytes than the limit
    │   └── ImagePixelsError       more pixels in the header than the limit
    ├── RequestError               how it was sent
    │   ├── MalformedBodyError     the body does not match its content type
    │   ├── BodyTimeoutError       the body arrived too slowly
    │   ├── ContentCodingError     the body is compressed
    │   ├── MissingImageError      no image in the body
    │   └── OptionError            an option is unknown or out of range
    ├── OverloadedError            the queue is full
    ├── DeadlineError              the deadline passed before the answer
    ├── WorkError                  the worker
    │   ├── WorkerDiedError        the worker process ended
    │   └── WorkerFaultError       the worker failed unexpectedly
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
"""


class PhizError(Exception):
    """The root of all errors that phiz raises on purpose."""

    code = "error"


class ImageError(PhizError):
    """Something is wrong with the image itself."""

    code = "bad_image"


class EmptyImageError(ImageError):
    """The image has no bytes."""

    code = "empty_image"


class UnsupportedImageError(ImageError):
    """The bytes are not an image of a supported format."""

    code = "unsupported_image"


class UndecodableImageError(ImageError):
    """The header is valid, but the image cannot be decoded."""

    code = "undecodable_image"


class ImageBytesError(ImageError):
    """The image, or the body that carries it, has more bytes than the limit."""

    code = "too_many_bytes"


class ImagePixelsError(ImageError):
    """The header declares more pixels than the limit."""

    code = "too_many_pixels"


class RequestError(PhizError):
    """The request is invalid."""

    code = "bad_request"


class MalformedBodyError(RequestError):
    """The body does not match its content type."""

    code = "malformed_body"


class BodyTimeoutError(RequestError):
    """The body arrived too slowly."""

    code = "body_too_slow"


class ContentCodingError(RequestError):
    """The body has a content coding, such as gzip."""

    code = "unsupported_content_coding"


class MissingImageError(RequestError):
    """The body has no image."""

    code = "missing_image"


class OptionError(RequestError):
    """An option is unknown, or its value is invalid."""

    code = "bad_option"


class OverloadedError(PhizError):
    """The queue is full.

    Attributes:
        retry_after_s: Seconds after which the client should try again.
    """

    code = "overloaded"

    def __init__(self, message: str, retry_after_s: float = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class DeadlineError(PhizError):
    """The deadline passed before the answer was ready."""

    code = "deadline_exceeded"


class WorkError(PhizError):
    """A worker failed."""

    code = "work_failed"


class WorkerDiedError(WorkError):
    """The worker process ended before the answer."""

    code = "worker_died"


class WorkerFaultError(WorkError):
    """The worker failed unexpectedly. The log has the details."""

    code = "internal"


class SettingError(PhizError):
    """A setting has an unusable value."""

    code = "bad_setting"


class StudyMissingError(PhizError):
    """This machine has not been measured, so there is no report."""

    code = "study_missing"


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
    """A model file does not exist."""

    code = "model_not_built"


class ModelCorruptError(ModelError):
    """A model file differs from the catalogue."""

    code = "model_corrupt"
