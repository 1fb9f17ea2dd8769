"""Everything that can go wrong, as one tree that knows nothing of HTTP.

::

    PhizError
    ├── ImageError                 the picture that was sent
    │   ├── EmptyImageError        no bytes at all
    │   ├── UnsupportedImageError  not a picture, or of a format that is not read here
    │   ├── UndecodableImageError  a picture by its header, but damaged or cut short
    │   ├── ImageBytesError        more bytes than the limit
    │   └── ImagePixelsError       more pixels than the limit, by the header
    ├── RequestError               how it was sent
    │   ├── MalformedBodyError     the body is not what its content type says
    │   ├── BodyTimeoutError       the body took longer to come than it may
    │   ├── MissingImageError      no picture in the body
    │   └── OptionError            an option that is unknown or out of range
    ├── OverloadedError            as many requests wait as may wait
    ├── DeadlineError              the answer was not there in time
    ├── WorkError                  what worked on it
    │   ├── WorkerDiedError        a worker's process ended
    │   └── WorkerFaultError       a worker failed as it should not
    ├── SettingError               how the service was set up
    ├── StudyMissingError          this machine was not measured
    └── ModelError                 what it was to be detected with
        ├── CatalogError           the catalogue contradicts itself
        ├── SourceError            a file to build from is missing, or not the pinned one
        ├── ConversionError        a source file holds what the converter does not know
        ├── BuildError             some networks could not be built; the others were
        ├── ModelNotBuiltError     a model's file is not there
        └── ModelCorruptError      a model's file is not the one the catalogue names

Each class has a ``code``, a word that stays the same for as long as the interface does.
A message says what was wrong, the limit, the value, and what to do; it never holds
the content of a picture.
"""


class PhizError(Exception):
    """The root: whoever catches it has caught everything that phiz raises on purpose."""

    code = "error"


class ImageError(PhizError):
    """Something is wrong with the picture itself."""

    code = "bad_image"


class EmptyImageError(ImageError):
    """The picture has no bytes."""

    code = "empty_image"


class UnsupportedImageError(ImageError):
    """The bytes are not a picture, or of a format that is not read here."""

    code = "unsupported_image"


class UndecodableImageError(ImageError):
    """The header is a picture's, but the rest cannot be decoded."""

    code = "undecodable_image"


class ImageBytesError(ImageError):
    """The picture, or the body that carries it, has more bytes than the limit."""

    code = "too_many_bytes"


class ImagePixelsError(ImageError):
    """The header announces more pixels than the limit."""

    code = "too_many_pixels"


class RequestError(PhizError):
    """Something is wrong with how a picture was sent."""

    code = "bad_request"


class MalformedBodyError(RequestError):
    """The body is not what its content type says."""

    code = "malformed_body"


class BodyTimeoutError(RequestError):
    """The body took longer to come than it may."""

    code = "body_too_slow"


class MissingImageError(RequestError):
    """The body carries no picture where one is expected."""

    code = "missing_image"


class OptionError(RequestError):
    """An option is unknown, or its value is not one of those allowed."""

    code = "bad_option"


class OverloadedError(PhizError):
    """As many requests wait as may wait.

    Attributes:
        retry_after_s: When it is worth trying again, seconds from now.
    """

    code = "overloaded"

    def __init__(self, message: str, retry_after_s: float = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class DeadlineError(PhizError):
    """The answer was not there in the time that it had."""

    code = "deadline_exceeded"


class WorkError(PhizError):
    """Something is wrong with what works on the pictures."""

    code = "work_failed"


class WorkerDiedError(WorkError):
    """The process that worked on a picture ended before the answer."""

    code = "worker_died"


class WorkerFaultError(WorkError):
    """The work failed by a mistake of ours; the log has it."""

    code = "internal"


class SettingError(PhizError):
    """A setting's value cannot be used."""

    code = "bad_setting"


class StudyMissingError(PhizError):
    """Nobody has measured this machine yet, so that there is no report."""

    code = "study_missing"


class ModelError(PhizError):
    """Something is wrong with a model, or with what it is built from."""

    code = "bad_model"


class CatalogError(ModelError):
    """The catalogue cannot be read, or contradicts itself."""

    code = "bad_catalog"


class SourceError(ModelError):
    """A file to build from cannot be had, or is not the one that is pinned."""

    code = "bad_source"


class ConversionError(ModelError):
    """A source file holds something that the converter does not know."""

    code = "conversion_failed"


class BuildError(ModelError):
    """Some of the networks that were wanted could not be built; the others were."""

    code = "build_failed"


class ModelNotBuiltError(ModelError):
    """A model's file is not there."""

    code = "model_not_built"


class ModelCorruptError(ModelError):
    """A model's file is not the one that the catalogue names."""

    code = "model_corrupt"
