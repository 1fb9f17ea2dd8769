"""The figures that the speed benchmark is for, and what each of them should be."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from benchmarks.kit.goals import Goal
from benchmarks.speed.contests import Score, Scores, Times, excess, middle, ratio
from phiz.boxes.geometry import clip, iou
from phiz.faces import Boxes

LITERT = "LiteRT XNNPACK"
FACENET = "facenet-pytorch"
DEFAULT = "onnxruntime float32"
AUTO = "auto"  # the runtimes that phiz bench chose on this machine
BLAZEFACE = ("front", "back", "full")
CASCADE_WH = (1280, 720)
SAME_IOU = 0.98


def goals(scores: Scores) -> Iterator[Goal]:
    """Yield all figures."""
    for model in BLAZEFACE:
        yield from _calls(model, scores[f"call {model}"])
    yield from _bytes_to_faces("640x480", scores["640x480"], 1.25)
    yield from _bytes_to_faces("641x481", scores["641x481"], 1.35)
    yield from _large(scores["4000x3000"])
    yield from _cascade(scores["cascade"])


def _against(
    what: str, ours: Times, against: str, other: Times, limit: float | None = None
) -> Goal:
    """Return the goal of a ratio of times."""
    return Goal(what, against, "ratio", ratio(ours, other), limit, middle(ours), middle(other))


def _calls(model: str, scores: Mapping[str, Score]) -> Iterator[Goal]:
    limits = {DEFAULT: 0.95, AUTO: 0.70} if model == "front" else {}
    other = scores[LITERT].times
    for who, score in scores.items():
        if who != LITERT:
            yield _against(f"{model}, call, {who}", score.times, LITERT, other, limits.get(who))


def _bytes_to_faces(size: str, scores: Mapping[str, Score], limit: float) -> Iterator[Goal]:
    decoder, decoding = _fastest_decoder(scores)
    for model in BLAZEFACE:
        ours, call = scores[f"faces {model}"], scores[f"call {model}"].times
        what = f"{model}, {size} JPEG to faces"
        full = decoding + call
        yield _against(
            what, ours.times, f"{decoder}, and call", full, limit if model == "front" else None
        )
        # What phiz decodes is smaller; the rest is nobody's gain but phiz's to lose.
        scaled = ours.stages["decode"] + call
        yield _against(what, ours.times, "scaled decoding, and call", scaled)


def _large(scores: Mapping[str, Score]) -> Iterator[Goal]:
    decoder, decoding = _fastest_decoder(scores)
    for model in BLAZEFACE:
        ours, call = scores[f"faces {model}"].times, scores[f"call {model}"].times
        what = f"{model}, 12 MP JPEG to faces"
        against = f"{decoder} at 1/8"
        yield _against(what, ours, against, decoding, 1.2 if model == "front" else None)
        floor = decoding + call
        yield Goal(
            what,
            f"{against}, and call",
            "ms more",
            excess(ours, floor),
            1.5 if model == "back" else None,
            middle(ours),
            middle(floor),
        )


def _fastest_decoder(scores: Mapping[str, Score]) -> tuple[str, Times]:
    decoders = [who for who in scores if who.startswith("decode ")]
    fastest = min(decoders, key=lambda who: scores[who].ms)
    return fastest.removeprefix("decode "), scores[fastest].times


def _cascade(scores: Mapping[str, Score]) -> Iterator[Goal]:
    peer = scores[FACENET]
    ours = {who: score for who, score in scores.items() if who != FACENET}
    overlaps = {who: lowest_overlap(score.boxes, peer.boxes) for who, score in ours.items()}
    same = [who for who in ours if overlaps[who] >= SAME_IOU]
    # Less than float32 may be chosen by average precision, and moves boxes; then it must be
    # faster still.
    limits = {DEFAULT: 0.28} if AUTO in same else {DEFAULT: 0.28, AUTO: 0.21}
    for who, score in ours.items():
        yield _against(f"mtcnn, {who}", score.times, FACENET, peer.times, limits.get(who))
        least = SAME_IOU if who == DEFAULT else None
        yield Goal(f"mtcnn, {who}", "its faces: least IoU", "IoU", overlaps[who], least)
        most = 3.0 if who in limits else None
        yield _worst(f"mtcnn, {who}, worst picture", score, most)
    if same:
        best = min(same, key=lambda who: ours[who].ms)
        what = f"mtcnn, best with the same faces: {best}"
        yield _against(what, ours[best].times, FACENET, peer.times, 0.25)


def _worst(what: str, score: Score, limit: float | None) -> Goal:
    times = np.median(score.times, axis=0)  # (items,)
    worst, median = float(times.max()), float(np.median(times))
    return Goal(what, "its own median", "ratio", worst / median, limit, worst, median)


def lowest_overlap(
    ours: Sequence[Sequence[Sequence[float]]], theirs: Sequence[Sequence[Sequence[float]]]
) -> float:
    """Return the lowest IoU of two faces that are the same, over all pictures.

    It is 0 if the faces of a picture are not one to one. What reaches beyond the picture
    does not count, since phiz does not give it.

    Args:
        ours: Boxes (N, 4) of each picture.
        theirs: Boxes (M, 4) of each picture.
    """
    pairs = zip(ours, theirs, strict=True)
    return min((_lowest(_boxes(one), _boxes(other)) for one, other in pairs), default=1.0)


def _lowest(ours: Boxes, theirs: Boxes) -> float:
    if len(ours) != len(theirs):
        return 0.0
    overlaps = np.array([iou(face, ours) for face in theirs])  # (M, N)
    if not overlaps.size:
        return 1.0
    nearest = overlaps.argmax(axis=1)  # (M,)
    if len(set(nearest.tolist())) != len(theirs):
        return 0.0
    return float(overlaps.max(axis=1).min())


def _boxes(boxes: Sequence[Sequence[float]]) -> Boxes:
    return clip(np.array(boxes, np.float32).reshape(-1, 4), *CASCADE_WH)
