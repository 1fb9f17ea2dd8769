from pathlib import Path

import numpy as np

from benchmarks.kit.precision import HELD_OUT_EVERY, compute_precision, omit_held_out
from phiz.lab.accuracy.labels import LEVELS, LabelledImage

BOX = np.array([[0, 0, 10, 10]], np.float32)
NOTHING = BOX[:0], np.empty(0, np.float32)


def test_items_to_fit_to_are_all_but_those_to_report_on() -> None:
    items = list(range(10))
    assert sorted([*omit_held_out(items), *items[::HELD_OUT_EVERY]]) == items


def test_precision_is_the_share_of_faces_found_without_false_ones() -> None:
    counted = {level: np.array([True]) for level in LEVELS}
    label = LabelledImage(Path("a.jpg"), BOX, counted, np.full((1, 5, 2), np.nan, np.float32))
    found = BOX, np.array([0.9], np.float32)
    assert compute_precision([label, label], [found, found], LEVELS[0]) == 1
    assert compute_precision([label, label], [found, NOTHING], LEVELS[0]) == 0.5
