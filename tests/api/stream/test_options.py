import pytest

from phiz.api.stream.options import MAX_CHANGE_CHARACTERS, change_options
from phiz.errors import OptionError
from phiz.wire.schemas import StreamParameters

FRONT = StreamParameters(model="front", min_score=0.7)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"model": "yunet"}', {"model": "yunet", "min_score": 0.7}),
        ('{"smooth": true}', {"model": "front", "min_score": 0.7, "smooth": "true"}),
        ('{"smooth": "false"}', {"model": "front", "min_score": 0.7, "smooth": "false"}),
        ('{"min_score": null}', {"model": "front"}),
        ('{"max_faces": 3, "min_score": 0.25}', {"model": "front", "min_score": 0.25}),
        ("{}", {"model": "front", "min_score": 0.7}),
    ],
)
def test_text_changes_some_options(text: str, expected: dict[str, object]) -> None:
    changed = change_options(FRONT, text)
    chosen = changed.model_dump(exclude_unset=True)
    assert chosen.pop("max_faces", 3) == 3
    assert chosen == expected
    assert change_options(changed, "{}") == changed


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("front", "not a JSON object"),
        ('["front"]', "not a JSON object"),
        ('{"model": "backk"}', "model is 'backk'; it must be one of front"),
        ('{"modle": "front"}', "unknown option 'modle'"),
        ('{"max_faces": 251}', "from 1 to 250"),
        ('{"smooth": 1}', "smooth is '1'; it must be one of true, false"),
        (" " * (MAX_CHANGE_CHARACTERS + 1), "the limit is 4096"),
    ],
)
def test_wrong_text_is_an_error_with_a_remedy(text: str, detail: str) -> None:
    with pytest.raises(OptionError, match=detail):
        change_options(FRONT, text)


def test_detector_gets_all_options_but_those_of_the_stream() -> None:
    model, options = change_options(FRONT, '{"smooth": true, "details": "pose"}').to_arguments()
    assert (model, options.min_score, options.details, options.max_faces) == (
        "front",
        0.7,
        "pose",
        100,
    )
