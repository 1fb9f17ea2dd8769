"""Reads a form, ``multipart/form-data``, while it arrives."""

import re
from dataclasses import dataclass, field
from typing import Final

from multipart import MultipartError, MultipartSegment, PushMultipartParser

from phiz.api.content.size_limit import SizeLimit, build_size_error
from phiz.api.content.upload import (
    MAX_FIELD_BYTES,
    OVERHEAD_BYTES,
    Upload,
    build_length_error,
    describe_file_name,
    describe_image_names,
    is_image_field,
)
from phiz.api.options import quote_text
from phiz.api.server.bodies import BodyReservation
from phiz.api.service import BodyLimits
from phiz.errors import MalformedBodyError, MissingImageError

MULTIPART_FORM: Final = "multipart/form-data"
MAX_FIELDS: Final = 31  # beside the images
# Many clients do not quote a boundary with "=", "/" or ":", which RFC 2046 requires.
_BOUNDARY: Final = re.compile(r';\s*boundary=(?:"([^"]*)"|([^\s;"]*))', re.IGNORECASE)


class FormReader:
    """Reads a form piece by piece."""

    def __init__(self, content_type: str, limits: BodyLimits, image_field: str) -> None:
        """Wait for the first piece.

        Args:
            content_type: Header of the request.
            limits: Limits of the images.
            image_field: Name of a field with an image, for advice.

        Raises:
            MalformedBodyError: The header has no usable boundary.
        """
        found = _BOUNDARY.search(content_type)
        boundary = (found[1] or found[2] or "") if found is not None else ""
        if not boundary:
            raise MalformedBodyError(
                "the content type has no boundary; leave the header Content-Type to the client,"
                " which adds the boundary of its form"
            )
        self._limit = SizeLimit(limits.max_body_bytes, OVERHEAD_BYTES)
        self._form = _FormBuilder(limits.max_images, limits.max_image_bytes, image_field)
        try:
            # Headers are decoded as latin-1, but the parser encodes text as UTF-8.
            self._parser = PushMultipartParser(
                boundary.encode("latin-1"), max_segment_count=MAX_FIELDS + limits.max_images
            )
        except MultipartError as error:
            raise _build_form_error(error) from error

    def check_length(self, length: int) -> None:
        """Check the announced length of the form.

        Raises:
            ImageBytesError: It is larger than the limit.
        """
        self._limit.check_length(length)

    def feed(self, piece: bytes, reservation: BodyReservation) -> None:
        """Read a piece, whose bytes are counted.

        Raises:
            ImageBytesError: The form, or an image in it, is larger than the limit.
            MalformedBodyError: The form cannot be parsed, or has too many images.
            OverloadedError: All bodies together have too many bytes.
        """
        self._limit.count(piece, reservation)
        try:
            for event in self._parser.parse(piece):
                if isinstance(event, MultipartSegment):
                    self._form.start_field(event.name, is_file=event.filename is not None)
                elif event is not None:  # which ends a field
                    self._form.add_chunk(event)
        except MultipartError as error:
            raise _build_form_error(error) from error

    def finish(self) -> Upload:
        """Return the images and fields of the whole form.

        Raises:
            MalformedBodyError: The form is cut short.
            MissingImageError: The form has no image.
            OptionError: A field is too long for any option.
        """
        try:
            self._parser.close()
        except MultipartError as error:
            raise _build_form_error(error) from error
        return self._form.to_upload()


def _build_form_error(error: MultipartError) -> MalformedBodyError:
    # The first argument is the parser's own text; a second one quotes the body.
    return MalformedBodyError(f"cannot read the form: {error.args[0]}")


@dataclass(slots=True)
class _Field:
    """A field of a form.

    Attributes:
        name: Its name.
        is_image: Whether it has an image, by its name.
        is_file: Whether it has the name of a file.
        chunks: Its content so far.
    """

    name: str
    is_image: bool
    is_file: bool
    chunks: list[bytes] = field(default_factory=list)


@dataclass(slots=True)
class _FormBuilder:
    """Collects the fields that the parser finds.

    Attributes:
        max_images: Maximum number of fields with an image.
        max_image_bytes: Maximum size of each image.
        image_field: Name of a field with an image, for advice.
        fields: The fields so far.
        image_names: Names of those with an image.
        field_bytes: Size of the last field so far.
    """

    max_images: int
    max_image_bytes: int
    image_field: str
    fields: list[_Field] = field(default_factory=list)
    image_names: list[str] = field(default_factory=list)
    field_bytes: int = 0

    def start_field(self, name: str, *, is_file: bool) -> None:
        """Begin a field.

        Raises:
            MalformedBodyError: There is one image too many.
        """
        is_image = is_image_field(name)
        if is_image:
            self.image_names.append(name)
            if len(self.image_names) > self.max_images:
                raise MalformedBodyError(self._describe_excess())
        self.fields.append(_Field(name, is_image, is_file))
        self.field_bytes = 0

    def _describe_excess(self) -> str:
        """Return the error of a form with one image too many."""
        remedy = "send one image per request, or several to /detect/batch"
        if len({*self.image_names}) == 1:
            (name, *_) = self.image_names
            limit = f"the limit of {self.max_images} fields {quote_text(name)}"
            return f"the form exceeds {limit}; {remedy}"
        names = ", ".join(quote_text(name) for name in dict.fromkeys(self.image_names))
        return (
            f"the form exceeds the limit of {self.max_images} images: it has {names}, which all"
            f" stand for an image; {remedy}"
        )

    def add_chunk(self, chunk: bytes) -> None:
        """Add a piece of the last field.

        Raises:
            ImageBytesError: The image has more bytes than the limit.
        """
        last = self.fields[-1]
        self.field_bytes += len(chunk)
        if last.is_image:
            if self.field_bytes > self.max_image_bytes:
                received = f"{self.field_bytes} bytes of an image have arrived so far"
                raise build_size_error(received, self.max_image_bytes)
        elif self.field_bytes > MAX_FIELD_BYTES + len(chunk):
            return  # too long: it is refused in the end, unless the form has no image
        last.chunks.append(chunk)

    def to_upload(self) -> Upload:
        """Return images and fields of the whole form.

        Raises:
            MissingImageError: There is no image.
            OptionError: A field is too long for any option.
        """
        images: list[bytes] = []
        others: list[tuple[str, bytes]] = []
        for each in self.fields:
            content = b"".join(each.chunks)
            if not each.is_image:
                others.append((each.name, content))
                continue
            if not each.is_file and (problem := self._describe_text(each.name, content)):
                raise MissingImageError(problem)
            images.append(content)
        if not images:
            raise MissingImageError(
                f"the form has no field {self.image_field!r}; it has"
                f" {', '.join(quote_text(name) for name, _ in others) or 'no fields'}; send the"
                f" image in a field {describe_image_names(self.image_field)}"
            )
        return Upload(tuple(images), tuple(_decode_field(*other) for other in others))

    def _describe_text(self, name: str, content: bytes) -> str | None:
        remedy = f"with curl, write @ before the name of the file: -F {self.image_field}=@face.jpg"
        return describe_file_name(f"the field {quote_text(name)}", content, remedy)


def _decode_field(name: str, content: bytes) -> tuple[str, str]:
    if len(content) > MAX_FIELD_BYTES:
        raise build_length_error("form field", name)
    return name, content.decode("utf-8", "replace")
