from dataclasses import dataclass

import pytest
from pydantic import TypeAdapter

from phiz.errors import CatalogError
from phiz.models.documents import EXACT, STRICT, Name, PositiveInt, Text, read_document


@dataclass(frozen=True, slots=True)
class Part:
    name: Name
    count: PositiveInt
    weight: float = 0.0


@dataclass(frozen=True, slots=True)
class Whole:
    title: Text
    parts: tuple[Part, ...] = ()
    is_new: bool = False


EXACT_PARTS = TypeAdapter(list[Whole], config=EXACT)
STRICT_PARTS = TypeAdapter(list[Whole], config=STRICT)


def test_document_is_read_into_dataclasses() -> None:
    text = '[{"title": "a", "parts": [{"name": "b-1", "count": 2, "weight": 3}], "is_new": true}]'
    assert read_document(EXACT_PARTS, text) == [Whole("a", (Part("b-1", 2, 3.0),), is_new=True)]


def test_unknown_entries_are_ignored_unless_exact() -> None:
    text = '[{"title": "a", "other": 1}]'
    assert read_document(STRICT_PARTS, text) == [Whole("a")]
    with pytest.raises(CatalogError, match=r"^\[0\]\.other is an unknown entry$"):
        read_document(EXACT_PARTS, text)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "it is not JSON: EOF while parsing an object at line 1 column 1"),
        ("{}", "it is {}, not a list"),
        ("[7]", "[0] is 7, not a table"),
        ("[{}]", "[0] lacks title"),
        ('[{"title": ""}]', "[0].title is '', not a text"),
        ('[{"title": 1}]', "[0].title is 1, not a text"),
        ('[{"title": "a", "is_new": 1}]', "[0].is_new is 1, not true or false"),
        ('[{"title": "a", "parts": 3}]', "[0].parts is 3, not a list"),
    ],
)
def test_error_names_place_value_and_expectation(text: str, complaint: str) -> None:
    with pytest.raises(CatalogError) as caught:
        read_document(EXACT_PARTS, text, "it")
    assert str(caught.value) == complaint


@pytest.mark.parametrize(
    ("part", "complaint"),
    [
        ('"name": "B", "count": 1', "name is 'B'; it must match ^[a-z][a-z0-9-]*$"),
        ('"name": "b", "count": 0', "count is 0; it must be at least 1"),
        ('"name": "b", "count": true', "count is True, not a whole number"),
        ('"name": "b", "count": 1.0', "count is 1.0, not a whole number"),
        ('"name": "b", "count": 1, "weight": "3"', "weight is '3', not a number"),
        ('"name": "b", "count": 1, "weight": true', "weight is True, not a number"),
        ('"name": "b", "count": 1, "weight": Infinity', "weight is inf, not a number"),
    ],
)
def test_values_are_not_converted(part: str, complaint: str) -> None:
    with pytest.raises(CatalogError) as caught:
        read_document(EXACT_PARTS, f'[{{"title": "a", "parts": [{{{part}}}]}}]')
    assert str(caught.value) == f"[0].parts[0].{complaint}"


def test_long_values_are_shortened() -> None:
    with pytest.raises(CatalogError, match=r"is 'aaaaaaaaaaaa\.\.\.aaaaaaaaaaaaa', not a list$"):
        read_document(EXACT_PARTS, f'"{"a" * 1000}"')
