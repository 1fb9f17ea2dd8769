from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from phiz.detectors.mtcnn import Mtcnn, MtcnnSpec
from phiz.detectors.pyramid_search import NO_CANDIDATES, Candidates, PyramidSearch, merge_candidates
from phiz.detectors.time_budget import StepCosts, TimeBudget
from phiz.image.lazy import ScaledImage
from phiz.timings import Stopwatch

Outputs = Mapping[str, NDArray[np.float32]]

MIN_SCORES = (0.6, 0.5, 0.1)
COSTS = StepCosts(
    {}, 0.0, pnet_s_per_px=1e-5, rnet_s_per_crop=1e-3, onet_s_per_crop=1e-3
)  # a level of 13 × 13 takes 1.7 ms
HALF = ScaledImage(np.zeros((24, 24), np.uint32), 2, (-1, 0))


@dataclass
class Said:
    """A network that says the same of everything, in its shapes, and counts what it saw."""

    score: float
    seen: list[int] = field(default_factory=list)

    def run(self, inputs: NDArray[Any]) -> Outputs:
        count = len(inputs)
        self.seen.append(count)
        return {
            "probabilities": np.full(count, self.score, np.float32),
            "regressions": np.zeros((count, 4), np.float32),
            "landmarks": np.full((count, 5, 2), 0.5, np.float32),
        }


@dataclass
class Cells:
    """A P-Net with scores for its four cells, which all see the same."""

    scores: tuple[tuple[float, float], tuple[float, float]]
    seen: list[int] = field(default_factory=list)

    def run(self, inputs: NDArray[Any]) -> Outputs:
        self.seen.append(inputs.shape[1])
        return {
            "probabilities": np.array([self.scores], np.float32),
            "regressions": np.zeros((1, 2, 2, 4), np.float32),
        }


class Clock:
    """A clock that stands."""

    def __call__(self) -> float:
        return 100.0


def climber(
    pnet: Cells,
    rnet: Said,
    onet: Said,
    *,
    level_overlap: float = 0.5,
    onet_overlap_limit: float = 0.99,
    reference: bool = False,
) -> PyramidSearch:
    spec = MtcnnSpec(20, 0.6, MIN_SCORES, level_overlap, level_overlap, onet_overlap_limit)
    return PyramidSearch.from_image(Mtcnn("mtcnn", spec, pnet, rnet, onet, reference), COSTS, HALF)


def allowance(budget_s: float | None = None) -> TimeBudget:
    return TimeBudget(budget_s, Stopwatch(clock=Clock()))


def candidates(*boxes: tuple[float, float, float, float], onet: float) -> Candidates:
    scores = np.tile(np.array([0.9, 0.9, onet], np.float32), (len(boxes), 1))
    points = np.full((len(boxes), 5, 2), onet, np.float32)
    return Candidates(np.array(boxes, np.float32), points, scores)


def test_a_cell_becomes_a_face_in_pixels_of_the_picture() -> None:
    found = climber(Cells(((0.1, 0.9), (0.2, 0.3))), Said(0.8), Said(0.95)).search_levels(
        [0.25], allowance()
    )
    # Column 1, row 0 sees 3 to 14 and 1 to 12 of the level, twice that of the half, which is a
    # half of the picture and begins one pixel outside of it.
    assert found.boxes.tolist() == [[2 * 6 - 1, 2 * 2, 2 * 28 - 1, 2 * 24]]
    # The middle of 23 pixels, the first of which is the sixth or the second.
    middle = [2 * (5 + 11.5) - 1, 2 * (1 + 11.5)]
    assert found.keypoints.tolist() == [[middle] * 5]
    assert found.scores[0] == pytest.approx([0.9, 0.8, 0.95])


@pytest.mark.parametrize(
    ("scores", "count"),
    [
        pytest.param((0.7, 0.6, 0.2), 1, id="all pass"),
        pytest.param((0.5, 0.6, 0.2), 0, id="not P-Net"),
        pytest.param((0.7, 0.5, 0.2), 0, id="not R-Net, at its limit"),
        pytest.param((0.7, 0.6, 0.1), 0, id="not O-Net, at its limit"),
    ],
)
def test_each_network_has_its_limit(scores: tuple[float, float, float], count: int) -> None:
    pnet, rnet, onet = scores
    cells = Cells(((pnet, 0.1), (0.1, 0.1)))
    found = climber(cells, Said(rnet), Said(onet)).search_levels([0.25], allowance())
    assert found.boxes.shape == (count, 4)
    assert found.keypoints.shape == (count, 5, 2)
    assert found.scores.shape == (count, 3)


def test_no_network_runs_without_time() -> None:
    pnet, rnet, onet = Cells(((0.9, 0.9), (0.9, 0.9))), Said(0.9), Said(0.9)
    found = climber(pnet, rnet, onet).search_levels([0.25], allowance(0.001))
    assert pnet.seen == rnet.seen == onet.seen == []
    assert found.boxes.shape == (0, 4)


@pytest.mark.parametrize(
    ("budget_ms", "levels"),
    [
        pytest.param(1, 0, id="for none"),
        pytest.param(4, 1, id="for the small one"),
        pytest.param(50, 2, id="for both"),
    ],
)
def test_levels_are_searched_from_the_first_as_long_as_there_is_time(
    budget_ms: float, levels: int
) -> None:
    pnet = Cells(((0, 0), (0, 0)))
    climber(pnet, Said(0), Said(0)).search_levels([0.25, 0.5], allowance(budget_ms / 1000))
    assert pnet.seen == [13, 25][:levels]


def test_the_best_proposals_and_candidates_come_first_where_time_is_short() -> None:
    pnet, rnet, onet = Cells(((0.7, 0.8), (0.9, 0.6))), Said(0.9), Said(0.9)
    # Of 4.4 ms, R-Net may have 60 %, two proposals; the clock stands, so O-Net has time for both.
    found = climber(pnet, rnet, onet, level_overlap=0.99).search_levels([0.25], allowance(0.0044))
    assert (rnet.seen, onet.seen) == ([2], [2])
    assert sorted(found.scores[:, 0].tolist()) == pytest.approx([0.8, 0.9])


@pytest.mark.parametrize("reference", [False, True], ids=["blended", "as the original"])
def test_answers_about_one_face_vote(*, reference: bool) -> None:
    pnet, rnet, onet = Cells(((0.9, 0.8), (0.1, 0.1))), Said(0.9), Said(0.95)
    one_face = climber(
        pnet, rnet, onet, level_overlap=0.99, onet_overlap_limit=0.7, reference=reference
    ).search_levels([0.25], allowance())
    # Columns 0 and 1: 23 pixels of the half from the second and from the sixth on, of which they
    # share 19. Of equal scores the last leads, and is further right by 8 pixels of the picture.
    vote = 0.0 if reference else (19 / 27 - 0.3) / (0.7 + 19 / 27 - 0.3)
    left, right = 2 * 6 - 1 - 8 * vote, 2 * 28 - 1 - 8 * vote
    assert one_face.boxes == pytest.approx(np.array([[left, 4, right, 48]]), abs=1e-4)
    middle = [2 * (5 + 11.5) - 1 - 8 * vote, 2 * (1 + 11.5)]
    assert one_face.keypoints[0, 0] == pytest.approx(middle, abs=1e-4)
    assert one_face.scores[0] == pytest.approx([0.8, 0.9, 0.95])


def test_proposals_beyond_the_border_are_left_out() -> None:
    cells = Cells(((0.9, 0.1), (0.1, 0.1)))
    away = cells.run(np.zeros((1, 13, 13, 3)))["regressions"]
    away[..., [0, 2]] = 5  # widths to the right

    class Beyond(Cells):
        def run(self, inputs: NDArray[Any]) -> Outputs:
            return {**super().run(inputs), "regressions": away}

    rnet = Said(0.9)
    found = climber(Beyond(cells.scores), rnet, Said(0.9)).search_levels([0.25], allowance())
    assert (found.boxes.shape, rnet.seen) == ((0, 4), [])


def test_surer_of_two_searches_that_found_a_face_counts() -> None:
    first = candidates((10, 10, 50, 50), (100, 10, 140, 50), onet=0.8)
    second = candidates((12, 12, 48, 48), onet=0.9)
    both = merge_candidates(first, second, 0.7)
    assert both.boxes.tolist() == [[12, 12, 48, 48], [100, 10, 140, 50]]
    assert both.scores[:, 2] == pytest.approx([0.9, 0.8])
    assert both.keypoints[:, 0, 0] == pytest.approx([0.9, 0.8])


def test_empty_candidates_join_without_effect() -> None:
    some = candidates((10, 10, 50, 50), onet=0.8)
    for one, other in [(some, NO_CANDIDATES), (NO_CANDIDATES, some)]:
        assert merge_candidates(one, other, 0.7).boxes.tolist() == some.boxes.tolist()
    assert merge_candidates(NO_CANDIDATES, NO_CANDIDATES, 0.7).boxes.shape == (0, 4)
