from functools import partial

from phiz.lab.accuracy.figures import mask_level
from phiz.lab.accuracy.mistakes import find_false_alarms, find_misses
from tests.lab.accuracy.answers import HEAD, answer, found, labelled

SMALL = (50, 50, 60, 60)
AWAY = (80, 80, 90, 90)
every = partial(mask_level, "all")


def test_missed_faces_are_listed_the_largest_first() -> None:
    seen = answer(labelled([SMALL, HEAD, AWAY]), [found(AWAY)])
    assert [miss.box.tolist() for miss in find_misses([seen], every, 0.5)] == [[*HEAD], [*SMALL]]


def test_a_face_that_does_not_count_is_not_missed() -> None:
    assert not find_misses([answer(labelled([HEAD], counted=[False]), [])], every, 0.5)


def test_one_detection_finds_one_face() -> None:
    beside = (7, 5, 25, 25)
    misses = find_misses([answer(labelled([HEAD, beside]), [found(HEAD)])], every, 0.5)
    assert [miss.box.tolist() for miss in misses] == [[*beside]]


def test_alarms_are_on_no_face_at_all_the_surest_first() -> None:
    label = labelled([HEAD], counted=[False])
    seen = answer(label, [found(HEAD, 0.9), found(SMALL, 0.6), found(AWAY, 0.7)])
    empty = answer(labelled([]), [found(HEAD, 0.65)])
    alarms = find_false_alarms([seen, empty], 0.5)
    assert [round(alarm.weight, 2) for alarm in alarms] == [0.7, 0.65, 0.6]
    assert alarms[1].prediction is empty
