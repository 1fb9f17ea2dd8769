import pytest

from phiz.sdk.keywords import check_keywords

KNOWN = frozenset({"min_score", "min_face", "order"})


def test_known_keywords_are_accepted() -> None:
    check_keywords("detect", ["order", "min_score"], KNOWN)
    check_keywords("detect", [], KNOWN)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "min_scor",
            "'min_scor'; did you mean 'min_score'? its options are min_face, min_score, order",
        ),
        ("zzz", "'zzz'; its options are min_face, min_score, order"),
    ],
)
def test_an_unknown_keyword_is_told_with_the_function_and_its_options(
    name: str, words: str
) -> None:
    with pytest.raises(TypeError) as caught:
        check_keywords("crop", ["order", name], KNOWN)
    assert str(caught.value) == f"crop() got an unexpected keyword argument {words}"
