from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phiz.faces import Face
from phiz.tracking.tracker import MAX_MISSED, TrackedFace, Tracks, update_tracks

FPS = 25
NAMES = ("left_eye", "right_eye", "nose", "mouth")


def at(x: float, y: float = 0.0, side: float = 100.0, names: Sequence[str] = NAMES) -> Face:
    landmarks = {name: (x + 10 * place, y + 9 * place) for place, name in enumerate(names, 1)}
    return Face((x, y, x + side, y + side), 0.9, landmarks, "front")


def follow(
    frames: Sequence[Sequence[Face]], *, smooth: bool = False
) -> list[tuple[TrackedFace, ...]]:
    tracks, found = Tracks(), []
    for number, faces in enumerate(frames):
        tracks, answer = update_tracks(tracks, faces, number / FPS, smooth=smooth)
        found.append(answer)
    return found


def ids(found: Sequence[Sequence[TrackedFace]]) -> list[list[int]]:
    return [[face.id for face in faces] for faces in found]


def test_face_keeps_its_id_and_its_values() -> None:
    frames = [[at(x)] for x in range(0, 100, 10)]
    found = follow(frames)
    assert ids(found) == [[1]] * 10
    assert [[each.face for each in faces] for faces in found] == frames


def test_faces_keep_their_ids_in_any_order() -> None:
    assert ids(follow([[at(0), at(300)], [at(305), at(5)], [at(310), at(10)]])) == [
        [1, 2],
        [2, 1],
        [2, 1],
    ]


def test_new_face_gets_the_next_id() -> None:
    assert ids(follow([[at(0)], [at(0), at(300)], [at(600), at(300)]])) == [[1], [1, 2], [3, 2]]


def test_face_that_moves_by_its_width_each_frame_is_followed_once_its_speed_is_known() -> None:
    # From 0.6 to 1.2 widths: an overlap alone would lose it.
    places = np.cumsum([0, 60, 75, 90, 105, 120, 120, 120])
    assert ids(follow([[at(x)] for x in places.tolist()])) == [[1]] * len(places)


def test_fast_faces_that_pass_each_other_keep_their_ids() -> None:
    frames = [[at(20 * step), at(400 - 20 * step, 60)] for step in range(20)]
    assert ids(follow(frames)) == [[1, 2]] * 20


@pytest.mark.parametrize("missed", [1, MAX_MISSED - 1, MAX_MISSED])
def test_face_that_was_missed_returns_with_its_id(missed: int) -> None:
    assert ids(follow([[at(0)], *[[]] * missed, [at(2)]]))[-1] == [1]


def test_face_that_was_missed_for_longer_is_a_new_one() -> None:
    frames = [[at(0), at(500)], *[[at(500)]] * (MAX_MISSED + 1), [at(0), at(500)]]
    assert ids(follow(frames))[-1] == [3, 2]


def test_far_face_is_another_one() -> None:
    assert ids(follow([[at(0)], [at(200)]])) == [[1], [2]]


def test_model_with_other_landmarks_keeps_the_ids() -> None:
    other = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
    frames = [[at(0)], [at(1, names=other)], [], [at(2)]]
    found = follow(frames, smooth=True)
    assert ids(found) == [[1], [1], [], [1]]
    (moved,) = found[1]
    # The box was smoothed, and the landmarks are new.
    assert 0 < moved.face.box[0] < 1
    assert moved.face.landmarks == frames[1][0].landmarks


def test_smoothing_moves_box_and_landmarks_and_nothing_else() -> None:
    (_, (face,)) = follow([[at(0)], [at(4)]], smooth=True)
    assert face.id == 1
    expected = at(4)
    assert (face.face.score, face.face.model) == (expected.score, expected.model)
    assert 0 < face.face.box[0] < 4
    assert face.face.landmarks.keys() == expected.landmarks.keys()
    assert 10 < face.face.landmarks["left_eye"][0] < 14


def test_smoothing_begins_where_it_is_switched_on() -> None:
    tracks, _ = update_tracks(Tracks(), [at(0)], 0.0)
    tracks, _ = update_tracks(tracks, [at(40)], 0.04)
    _, (face,) = update_tracks(tracks, [at(40)], 0.08, smooth=True)
    assert face.face == at(40)


@given(
    frames=st.lists(
        st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), max_size=5),
        min_size=1,
        max_size=8,
    ),
    smooth=st.booleans(),
)
def test_ids_are_unique_and_never_given_again(
    frames: list[list[tuple[int, int]]], *, smooth: bool
) -> None:
    tracks, last_s, seen = Tracks(), 0.0, set[int]()
    for number, places in enumerate(frames):
        faces = [at(x, y) for x, y in places]
        before = tracks
        tracks, found = update_tracks(tracks, faces, last_s + number, smooth=smooth)
        numbers = [face.id for face in found]
        assert len(found) == len(faces)
        assert len(set(numbers)) == len(numbers)
        # A number is new, or its face was followed until now.
        new = set(numbers) - set(before.ids.tolist())
        assert not new & seen
        assert all(each >= before.next_id for each in new)
        seen |= set(numbers)
        assert all(np.isfinite(face.face.box).all() for face in found)
