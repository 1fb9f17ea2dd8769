import pytest

from phiz.errors import CatalogError
from phiz.lab.accuracy.face_lists import parse_face_list


def test_paths_have_their_rows() -> None:
    text = "a/b.jpg\n2\n1 2.5\n 3 4 \n\nnone.jpg\n0\n0 0\nalso-none.jpg\n0\nc.jpg\n1\n0 0\n"
    found = [(path, rows.tolist()) for path, rows in parse_face_list(text, 2)]
    assert found == [
        ("a/b.jpg", [[1, 2.5], [3, 4]]),
        ("none.jpg", []),
        ("also-none.jpg", []),
        ("c.jpg", [[0, 0]]),
    ]
    assert next(parse_face_list("none.jpg\n0\n", 3))[1].shape == (0, 3)


@pytest.mark.parametrize(
    ("broken", "what"),
    [
        pytest.param("a\n", "after a comes '', not a number of faces", id="path alone"),
        pytest.param("a\nb\n", "after a comes 'b'", id="no number"),
        pytest.param("a\n1.5\n", "after a comes '1.5'", id="half a face"),
        pytest.param("a\n2\n1 2\n", "a has '', not the 2 numbers", id="cut"),
        pytest.param("a\n1\n1\n", "a has '1', not the 2 numbers of a face", id="one number"),
        pytest.param("a\n1\n1 x\n", "a has '1 x'", id="letter"),
    ],
)
def test_broken_lists_are_refused(broken: str, what: str) -> None:
    with pytest.raises(CatalogError, match=what):
        list(parse_face_list(broken, 2))
