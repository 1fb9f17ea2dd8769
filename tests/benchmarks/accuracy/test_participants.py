from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import pytest

from benchmarks.accuracy import participants
from benchmarks.kit.environments import PEERS
from phiz.detectors.detector import Detector
from phiz.engine import Engine
from phiz.faces import DetectOptions
from phiz.image.resample import Sampling
from phiz.lab.accuracy.labels import PHOTOGRAPH_LIMITS

GROUP = Path(__file__).parents[2] / "pictures" / "group_640x480.png"


@pytest.mark.parametrize("model", ["yunet", "auto"])
def test_model_answers_at_its_limit_and_below(
    model: str, load_with: Callable[[Sampling], dict[str, Detector]]
) -> None:
    engine = Engine(load_with("half-pixel"), PHOTOGRAPH_LIMITS)
    options = DetectOptions(max_faces=100)
    answer = participants.ask_model(engine, model, options, GROUP.read_bytes())
    (boxes, scores), (all_boxes, all_scores) = answer.served, answer.lowest
    assert 0 < len(scores) <= len(all_scores)
    assert len(boxes) == len(scores)
    assert len(all_boxes) == len(all_scores)
    assert all_scores[: len(scores)] == pytest.approx(scores, abs=1e-4)
    assert answer.served_ms > 0


def test_boxes_of_peers_are_clipped_as_ours_are() -> None:
    facts = {"boxes": [[-5, 2, 30, 40.5]], "scores": [0.75]}
    boxes, scores = participants.parse_faces(facts, (20, 40))
    np.testing.assert_array_equal(boxes, np.array([[0, 2, 20, 40]], np.float32))
    np.testing.assert_array_equal(scores, np.array([0.75], np.float32))
    boxes, scores = participants.parse_faces({"boxes": [], "scores": []}, (20, 40))
    assert boxes.shape == (0, 4)
    assert scores.shape == (0,)


def test_size_is_that_of_the_image() -> None:
    assert participants.get_size(GROUP.read_bytes()) == (640, 480)


def test_every_peer_has_its_script_and_pinned_packages() -> None:
    for name, script in participants.PEER_WORKERS.items():
        assert (PEERS / script).exists()
        assert "--hash=sha256:" in (PEERS / f"{name}.txt").read_text("utf-8")


def test_peers_are_asked_only_on_request() -> None:
    with participants.open_peers((), None, wanted=False) as peers:
        assert peers == {}
    with (
        pytest.raises(click.BadParameter, match="NAME one of facenet, mediapipe, opencv"),
        participants.open_peers(["dlib=/a/python"], None, wanted=False),
    ):
        pass
