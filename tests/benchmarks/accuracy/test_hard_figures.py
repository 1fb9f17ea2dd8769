import numpy as np
import pytest

from benchmarks.accuracy import hard_figures
from benchmarks.accuracy.hard_figures import AskedScene, HardRow
from benchmarks.accuracy.participants import LOWEST_SCORE, Answer
from benchmarks.kit.precision import Detected

FACE, BESIDE = (0, 0, 10, 10), (50, 50, 60, 60)


def faces(*pairs: tuple[tuple[int, ...], float]) -> Detected:
    boxes = np.array([box for box, _ in pairs], np.float32).reshape(-1, 4)
    return boxes, np.array([score for _, score in pairs], np.float32)


NOTHING = faces()


def asked(lowest: Detected, served: Detected = NOTHING) -> AskedScene:
    boxes = np.array([FACE], np.float32)
    return AskedScene(boxes, np.ones(1, bool), {"a": Answer(served, lowest, 1.0)})


def faceless(*best: float) -> list[AskedScene]:
    return [asked(faces((FACE, score)) if score else faces()) for score in best]


@pytest.mark.parametrize(
    ("best", "limit"),
    [
        ((0.9, 0.8, 0.7, 0.6), 0.7),
        ((0.9, 0.7, 0.7, 0.7), 0.7),
        ((0.9, 0.8, 0.0, 0.0), LOWEST_SCORE),
        ((0.9, 0.8), LOWEST_SCORE),
        ((1.0, 1.0, 1.0), 1.0),
    ],
    ids=["third", "equal", "two", "few", "saturated"],
)
def test_two_images_or_fewer_are_at_the_like_limit(best: tuple[float, ...], limit: float) -> None:
    scenes = faceless(*best)
    found = hard_figures.compute_like_limit(scenes, "a")
    assert found == pytest.approx(limit, abs=1e-6)
    at = [hard_figures.choose_faces(each.answers["a"], found)[1] for each in scenes]
    assert sum(len(each) > 0 for each in at) <= hard_figures.ALLOWED_ALARMS
    lower = float(np.nextafter(np.float32(found), np.float32(0)))
    below = [hard_figures.choose_faces(each.answers["a"], lower)[1] for each in scenes]
    if found > LOWEST_SCORE:
        assert sum(len(each) > 0 for each in below) > hard_figures.ALLOWED_ALARMS


def test_row_has_shares_at_both_limits_and_images_with_more_faces() -> None:
    sure, weak = (FACE, 0.9), (FACE, 0.4)
    scenes = [
        asked(faces(sure, (BESIDE, 0.8)), served=faces(sure)),
        asked(faces(weak), served=faces(weak)),
        asked(faces((BESIDE, 0.9)), served=faces((BESIDE, 0.9), weak)),
        asked(faces()),
    ]
    row = hard_figures.summarise_row("x", scenes, {"a": 0.5}, 0.3, is_close_up=True)
    several, several_served = {"a": 1}, {"a": 1}
    expected = HardRow("x", 4, 4, {"a": 0.25}, {"a": 0.75}, several, several_served)
    assert row == expected
    assert hard_figures.summarise_row("x", scenes, {"a": 0.5}, 0.3, is_close_up=False) == HardRow(
        "x", 4, 4, {"a": 0.25}, {"a": 0.75}
    )


def test_alarms_are_images_with_a_detection_at_the_default_limit() -> None:
    scenes = [asked(faces((FACE, 0.2))), asked(faces(), served=faces((FACE, 0.6), (BESIDE, 0.7)))]
    assert hard_figures.count_alarms(scenes, "a") == 1


def row(name: str, auto: float, other: float) -> HardRow:
    found = {"front": 0.1, "mtcnn": other, "auto": auto, "peer": 1.0}
    several = dict.fromkeys(found, 3) if name == "cropped" else None
    return HardRow(name, 10, 10, found, found, several, several)


MODELS = ("front", "mtcnn", "auto")


@pytest.mark.parametrize(
    ("auto", "words"),
    [
        (0.781, "yes: in 2 of 2; the worst is -1.9 (cropped)."),
        (0.779, "no: in 1 of 2; the worst is -2.1 (cropped)."),
    ],
)
def test_verdict_compares_auto_with_the_best_single_model(auto: float, words: str) -> None:
    rows = [row("unchanged", 0.9, 0.7), row("cropped", auto, 0.8)]
    assert hard_figures.compare_auto(rows[0], MODELS) == pytest.approx(20)
    assert hard_figures.describe_verdict(rows, MODELS).endswith(words)


def test_tables_have_limits_alarms_shares_and_several_faces() -> None:
    rows = [row("unchanged", 0.9, 0.7), row("cropped", 0.5, 0.8)]
    limits = dict.fromkeys(rows[0].found, 0.5)
    alarms = dict.fromkeys(limits, 7)
    text = hard_figures.format_figures(rows, limits, alarms, 117, MODELS)
    lines = text.splitlines()
    assert "| like limits | front | mtcnn | auto | peer | `auto` − best |" in lines
    assert "| score limit | 0.500 | 0.500 | 0.500 | 0.500 |  |" in lines
    assert "| cropped | 10.0 | 80.0 | 50.0 | 100.0 | -30.0 |" in lines
    assert "| cropped: more than one face, images | 3 | 3 | 3 | 3 |  |" in lines
    assert "| images without faces with a detection | 7 | 7 | 7 | 7 |" in lines
    assert lines.count("| cropped: more than one face, images | 3 | 3 | 3 | 3 |") == 1
