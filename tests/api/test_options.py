import pytest

from phiz.api.options import get_option_schema, quote_text, read_deadline, read_options, read_query
from phiz.errors import OptionError
from phiz.wire.schemas import DetectParameters

Pairs = list[tuple[str, str]]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("model", "front", "front"),
        ("model", "auto", "auto"),
        ("min_score", "0", 0.0),
        ("min_score", "1", 1.0),
        ("min_score", "5e-1", 0.5),
        ("min_face", "1", 1.0),
        ("min_face", "20.5", 20.5),
        ("min_face", "65535", 65535.0),
        ("max_faces", "1", 1),
        ("max_faces", "10000", 10000),
        ("overlap", "nms", "nms"),
        ("passes", "2", 2),
        ("rotate", "auto", "auto"),
        ("details", "quality", "quality"),
        ("budget_ms", "1", 1.0),
        ("budget_ms", "60000", 60000.0),
    ],
)
def test_a_value_is_read(name: str, value: str, expected: object) -> None:
    assert getattr(read_options(DetectParameters, [(name, value)]), name) == expected


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("model", "frond", "one of front, back, full, mtcnn, yunet, centerface, auto"),
        ("model", "FRONT", "one of front, back, full, mtcnn, yunet, centerface, auto"),
        ("min_score", "-0.01", "a number from 0 to 1"),
        ("min_score", "1.01", "a number from 0 to 1"),
        ("min_score", "nan", "a number from 0 to 1"),
        ("min_score", "", "a number from 0 to 1"),
        ("min_score", "0_1", "a number from 0 to 1"),
        ("min_face", "0.9", "a number from 1 to 65535"),
        ("min_face", "65535.1", "a number from 1 to 65535"),
        ("min_face", "inf", "a number from 1 to 65535"),
        ("min_face", "2_0", "a number from 1 to 65535"),
        ("max_faces", "0", "a whole number from 1 to 10000"),
        ("max_faces", "10001", "a whole number from 1 to 10000"),
        ("max_faces", "1.5", "a whole number from 1 to 10000"),
        ("max_faces", "1_0", "a whole number from 1 to 10000"),
        ("overlap", "mean", "one of blend, nms"),
        ("passes", "0", "a whole number from 1 to 2"),
        ("passes", "3", "a whole number from 1 to 2"),
        ("passes", "0_1", "a whole number from 1 to 2"),
        ("rotate", "90", "one of none, auto"),
        ("details", "most", "one of none, quality, pose, all"),
        ("input_size", "63", "a whole number from 64 to 1536"),
        ("input_size", "640.5", "a whole number from 64 to 1536"),
        ("budget_ms", "0.9", "a number from 1 to 60000"),
        ("budget_ms", "60001", "a number from 1 to 60000"),
        ("budget_ms", "2_0", "a number from 1 to 60000"),
    ],
)
def test_a_wrong_value_is_answered_with_those_allowed(name: str, value: str, allowed: str) -> None:
    with pytest.raises(OptionError) as caught:
        read_options(DetectParameters, [(name, value)])
    assert str(caught.value) == f"{name} is {value!r}; it must be {allowed}"


@pytest.mark.parametrize(
    ("query", "form"),
    [
        pytest.param([("minscore", "1")], [], id="query"),
        pytest.param([], [("minscore", "1")], id="form"),
    ],
)
def test_an_unknown_option_is_answered_with_the_known_ones(query: Pairs, form: Pairs) -> None:
    with pytest.raises(OptionError, match="'minscore'; the options are model, min_score, min_face"):
        read_options(DetectParameters, query, form)


@pytest.mark.parametrize(
    ("query", "form", "where"),
    [
        pytest.param([("model", "back")] * 2, [], "query parameter 'model'", id="query"),
        pytest.param([], [("model", "back")] * 2, "form field 'model'", id="form"),
    ],
)
def test_an_option_given_twice_is_an_error(query: Pairs, form: Pairs, where: str) -> None:
    with pytest.raises(OptionError, match=f"{where} is given twice"):
        read_options(DetectParameters, query, form)


def test_a_query_parameter_wins_over_a_form_field() -> None:
    chosen = read_options(
        DetectParameters, [("model", "back")], [("model", "front"), ("max_faces", "7")]
    )
    assert chosen == DetectParameters(model="back", max_faces=7)


def test_a_form_field_that_is_empty_counts_as_not_given() -> None:
    assert read_options(
        DetectParameters, [], [("min_score", ""), ("model", "back")]
    ) == DetectParameters(model="back")
    with pytest.raises(OptionError, match="'minscore'"):
        read_options(DetectParameters, [], [("minscore", "")])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("x" * 40, "'" + "x" * 40 + "'", id="whole"),
        pytest.param("x" * 41, "'" + "x" * 40 + "…'", id="cut"),
        pytest.param("a\nb", r"'a\nb'", id="one-line"),
    ],
)
def test_what_a_caller_wrote_is_shown_in_short(text: str, expected: str) -> None:
    assert quote_text(text) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("min_score", {"type": "number", "minimum": 0, "maximum": 1}),
        ("min_face", {"type": "number", "minimum": 1, "maximum": 65535}),
        ("max_faces", {"type": "integer", "minimum": 1, "maximum": 10000, "default": 1000}),
        ("overlap", {"type": "string", "enum": ["blend", "nms"], "default": "blend"}),
        ("passes", {"type": "integer", "minimum": 1, "maximum": 2, "default": 1}),
        ("rotate", {"type": "string", "enum": ["none", "auto"], "default": "none"}),
        ("order", {"type": "string", "enum": ["score", "size"], "default": "score"}),
        ("input_size", {"type": "integer", "minimum": 64, "maximum": 1536}),
        (
            "details",
            {"type": "string", "enum": ["none", "quality", "pose", "all"], "default": "none"},
        ),
    ],
)
def test_the_schema_of_an_option_has_range_and_default(
    name: str, expected: dict[str, object]
) -> None:
    schema = get_option_schema(DetectParameters, name)
    del schema["description"], schema["title"]
    assert schema == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param(b"", DetectParameters(), id="none"),
        pytest.param(
            b"model=back&max_faces=7", DetectParameters(model="back", max_faces=7), id="two"
        ),
        pytest.param(b"overlap=%6ems", DetectParameters(overlap="nms"), id="quoted"),
    ],
)
def test_a_query_is_read_as_it_came_however_often(query: bytes, expected: DetectParameters) -> None:
    assert [read_query(DetectParameters, query) for _ in range(3)] == [expected] * 3


@pytest.mark.parametrize(
    ("query", "message"),
    [
        pytest.param(b"max_faces=0", "max_faces is '0'; it must be", id="wrong"),
        pytest.param(b"min_face=", "min_face is ''; it must be", id="empty"),
        pytest.param(b"max_faces=1&max_faces=1", "is given twice", id="twice"),
        pytest.param(b"max_faces=" + b"0" * 300, "max_faces is '000", id="long"),
    ],
)
def test_a_wrong_query_is_an_error_however_often(query: bytes, message: str) -> None:
    for _ in range(3):
        with pytest.raises(OptionError, match=message):
            read_query(DetectParameters, query)


@pytest.mark.parametrize(
    ("given", "expected"),
    [(None, 10), ("3", 3), ("0.25", 0.25), ("10", 10), ("11", 10), ("1e9", 10), ("inf", 10)],
)
def test_a_deadline_is_the_callers_up_to_the_services(given: str | None, expected: float) -> None:
    assert read_deadline(given, 10) == expected


@pytest.mark.parametrize("given", ["", "0", "-1", "nan", "-inf", "soon", "3 s", "1_0"])
def test_a_wrong_deadline_is_answered_with_what_it_must_be(given: str) -> None:
    with pytest.raises(OptionError, match=r"Phiz-Deadline is .*; it must be a number of seconds"):
        read_deadline(given, 10)
