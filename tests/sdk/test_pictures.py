import base64
import json

import pytest

from phiz.errors import OptionError
from phiz.sdk.pictures import choose_annotated_format, decode_crops
from phiz.timings import Timings
from phiz.wire.decode import decode_result
from phiz.wire.examples import CROP_EXAMPLE
from phiz.wire.schemas import JsonObject


def build_answer(**changes: object) -> JsonObject:
    """The example, as the service answers it in JSON."""
    answer: JsonObject = json.loads(json.dumps(CROP_EXAMPLE))
    for number, face in enumerate(answer["faces"]):
        face["crop"].pop("file", None)
        face["crop"] |= {"image": base64.b64encode(b"crop %d" % number).decode(), **changes}
    return answer


def test_crops_are_those_of_the_answer() -> None:
    answer = build_answer()
    result = decode_crops(json.dumps(answer).encode())
    timings = Timings.from_milliseconds(answer["timing_ms"])
    assert result.detection == decode_result(answer, timings)
    assert result.detection.timings.stages["render"] > 0
    (crop,) = result.crops
    (face,) = result.detection.faces
    told = answer["faces"][0]["crop"]
    assert (crop.face, crop.content, crop.media_type) == (face, b"crop 0", "image/jpeg")
    assert [list(row) for row in crop.transform] == told["transform"]
    assert (crop.size, crop.align) == (told["size"], told["align"])
    assert "crop 0" not in repr(crop)


@pytest.mark.parametrize(
    "changes",
    [{"image": "!"}, {"image": None}, {"transform": [[1, 2], [3, 4]]}, {"transform": 1}],
    ids=str,
)
def test_an_answer_that_is_none_is_an_error(changes: JsonObject) -> None:
    with pytest.raises((LookupError, TypeError, ValueError)):
        decode_crops(json.dumps(build_answer(**changes)).encode())


def test_an_annotated_image_is_a_jpeg_or_another_image() -> None:
    assert choose_annotated_format(None) == "jpeg"
    assert choose_annotated_format("webp") == "webp"
    with pytest.raises(OptionError, match="format is 'json'; it must be one of jpeg, png, webp"):
        choose_annotated_format("json")  # type: ignore[arg-type]  # on purpose
