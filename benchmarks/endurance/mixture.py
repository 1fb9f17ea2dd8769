"""Random requests of all kinds.

Most are as a service gets them; one in a hundred is malformed, and one is cut off somewhere. One in
five thousand is an image that costs far more than its bytes. The same seed gives the same requests.
"""

import io
import random
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, TypeAlias
from urllib.parse import urlencode

from PIL import Image as Pillow

from benchmarks.endurance.hostile import WEBP_34_BYTES
from benchmarks.kit.requests import encode_form, encode_raw
from phiz.image.synthetic import draw_crowd

# Each as often as it is requested. A cascade takes as long as ten single networks.
MODELS: Final = ("front",) * 8 + ("back",) * 4 + ("full",) * 3 + ("auto",) * 2 + ("mtcnn",)
MALFORMED_IN: Final = 100  # one of so many requests is malformed, and one is cut off
BATCH_IN: Final = 20
COSTLY_IN: Final = 5000
LARGE_IN: Final = 50
LARGE_FACTOR: Final = 4  # times as many pixels each way
ROTATED_IN: Final = 30  # takes four times as long
MAX_BATCH: Final = 4
FORMATS: Final = ("JPEG",) * 6 + ("PNG", "WEBP")
QUALITIES: Final = (30, 98)  # lowest and highest
SIZES: Final = 200
MIN_FACE: Final = 20  # a cascade takes four times as long for half of it
PORT: Final = 80  # named in a head; any will do

Statuses: TypeAlias = frozenset[HTTPStatus]

# A worker may have been killed, the service may be overloaded, and the deadline may have passed.
FAILED: Final = frozenset(map(HTTPStatus, (500, 503, 504)))
REFUSED: Final = FAILED | set(map(HTTPStatus, (400, 413, 415, 422)))
ANSWERED: Final = FAILED | {HTTPStatus.OK}
ANY: Final = REFUSED | ANSWERED


@dataclass(frozen=True, slots=True)
class EncodedImages:
    """Encoded images of many sizes, and fewer of more pixels."""

    common: Sequence[bytes]
    large: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Request:
    """A request, and the statuses that it may be answered with.

    Only ``sent_bytes`` of its message are sent before the connection is closed; None means all.
    """

    message: bytes
    sent_bytes: int | None
    allowed: Statuses


def encode_images(chance: random.Random, longest: int) -> EncodedImages:
    """Return images of many sizes and some formats, parts of one crowd; sizes in pixels."""
    crowd = Pillow.fromarray(draw_crowd(LARGE_FACTOR * longest, LARGE_FACTOR * longest))
    sides, large_sides = (32, longest), (longest, LARGE_FACTOR * longest)
    return EncodedImages(
        [encode_crop(chance, crowd, sides) for _ in range(SIZES)],
        [encode_crop(chance, crowd, large_sides) for _ in range(SIZES // 20)],
    )


def choose_request(chance: random.Random, images: EncodedImages) -> Request:
    """Return a request by chance."""
    if chance.randrange(COSTLY_IN) == 0:
        return _encode_request(chance, WEBP_34_BYTES, {"model": "mtcnn"}, ANY)
    kind = chance.randrange(MALFORMED_IN)
    if kind == 0:
        return _choose_malformed(chance, images)
    request = _choose_valid(chance, images)
    if kind == 1:
        length = len(request.message)  # half of these clients leave while they wait
        return Request(request.message, min(length, chance.randint(0, 2 * length)), frozenset())
    return request


def encode_crop(
    chance: random.Random,
    crowd: Pillow.Image,
    sides: tuple[int, int],
    formats: Sequence[str] = FORMATS,
) -> bytes:
    """Return a part of an image, of random sides, format and quality."""
    part = crowd.crop((0, 0, chance.randint(*sides), chance.randint(*sides)))
    file = io.BytesIO()
    part.save(file, chance.choice(formats), quality=chance.randint(*QUALITIES))
    return file.getvalue()


def _choose_valid(chance: random.Random, images: EncodedImages) -> Request:
    """Return a request that is answered."""
    fields = _choose_fields(chance)
    if chance.randrange(BATCH_IN) == 0:
        count = chance.randint(1, MAX_BATCH)
        some = [chance.choice(images.common) for _ in range(count)]
        form = encode_form("/detect/batch", *some, fields=fields)
        return Request(form.to_message(PORT, chunked=chance.random() < 1 / 3), None, ANSWERED)
    large = chance.randrange(LARGE_IN) == 0 and fields["model"] not in {"mtcnn", "auto"}
    image_bytes = chance.choice(images.large if large else images.common)
    return _encode_request(chance, image_bytes, fields, ANSWERED)


def _choose_fields(chance: random.Random) -> dict[str, str]:
    """Return a model and options."""
    model = chance.choice(MODELS)
    fields = {"model": model, "max_faces": str(chance.randint(1, 50))}
    if chance.random() < 1 / 3:
        fields["min_score"] = f"{chance.random():.3f}"
    if chance.random() < 1 / 3:
        fields["min_face"] = str(chance.randint(MIN_FACE, 100))
    if chance.random() < 1 / 3:
        fields["overlap"] = chance.choice(("blend", "nms"))
    if chance.random() < 1 / 10:
        fields["passes"] = "2"
    if chance.random() < 1 / 10:
        fields["details"] = "quality"
    if chance.randrange(ROTATED_IN) == 0 and model != "mtcnn":
        fields["rotate"] = "auto"
    if model == "auto" and chance.random() < 1 / 2:
        fields["budget_ms"] = str(chance.randint(5, 100))
    return fields


def _choose_malformed(chance: random.Random, images: EncodedImages) -> Request:
    """Return a request that is refused: its image, its options or its form are invalid."""
    image_bytes, fields = chance.choice(images.common), _choose_fields(chance)
    match chance.choice(("cut short", "without its start", "option", "kind", "form")):
        case "cut short":
            image_bytes = image_bytes[: chance.randint(0, 20)]
        case "without its start":
            image_bytes = image_bytes[7:]
        case "option":
            fields["max_faces"] = "none"
        case "kind":
            raw = encode_raw(f"/detect?{urlencode(fields)}", image_bytes, "text/csv")
            return Request(raw.to_message(PORT), None, REFUSED)
        case _:
            form = encode_form("/detect", fields=fields)
            return Request(form.to_message(PORT), None, REFUSED)
    return _encode_request(chance, image_bytes, fields, REFUSED)


def _encode_request(
    chance: random.Random,
    image_bytes: bytes,
    fields: dict[str, str],
    allowed: frozenset[HTTPStatus],
) -> Request:
    """Return a request with one image, in a form or raw, chunked or not."""
    chunked = chance.random() < 1 / 6
    if chance.random() < 1 / 2:
        request = encode_raw(f"/detect?{urlencode(fields)}", image_bytes)
    else:
        request = encode_form("/detect", image_bytes, fields=fields)
    return Request(request.to_message(PORT, chunked=chunked), None, allowed)
