"""The router: searches an image while more faces are expected and time is left.

1. The first pass runs YuNet on a small copy of the image. If all faces are close-ups, they are the
   answer.
2. The second pass runs YuNet on the image. Under a short budget it is the first one.
3. The third pass runs CenterFace on a copy of half the size, whose confidences are combined with
   those of YuNet.
4. The last pass runs CenterFace on the region around small faces, at a larger scale, because small
   faces appear in groups.

O-Net confirms the candidates of YuNet, and gives boxes and landmarks. Scores become confidences on
one scale.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from phiz.boxes.geometry import clip_boxes, compute_shorter_sides
from phiz.boxes.nms import find_single_faces
from phiz.detectors.anchor_free import (
    ANCHOR_FREE_LANDMARKS,
    MIN_INPUT_SIZE,
    MIN_VISIBLE_SIDE_PX,
    AnchorFree,
    align_scale,
)
from phiz.detectors.candidates import (
    Candidates,
    Region,
    are_boxes_cut,
    are_centres_inside,
    confirm_boxes,
    find_region,
    merge_candidates,
)
from phiz.detectors.confidence import accept_faces, compute_confidences, compute_sides
from phiz.detectors.mtcnn import ONET_BATCH_SIZE, Mtcnn
from phiz.detectors.time_budget import TimeBudget, measure_step_s
from phiz.faces import (
    Boxes,
    Detections,
    DetectOptions,
    Indices,
    Keypoints,
    RouteReason,
    RoutingStep,
    Scores,
    build_faces,
)
from phiz.image.integral import compute_integral
from phiz.image.lazy import LazyImage, ScaledImage
from phiz.models.router_config import RouterConfig
from phiz.timings import Stopwatch

FIRST_MODEL: Final = "yunet"
SEARCH_MODEL: Final = "centerface"
# Weaker predictions of the networks are dropped. Those over the whole image may be small faces,
# which a larger scale shows.
MIN_WHOLE_SCORE: Final = 0.03
MIN_REGION_SCORE: Final = 0.1
MAX_CANDIDATES: Final = 2000  # of one pass, best first
# O-Net is asked about the largest candidates. It takes a quarter of a millisecond for each, and
# says little about small ones.
MIN_CONFIRMED_SIDE_PX: Final = 24.0
MIN_CONFIRMED_CONFIDENCE: Final = 0.05
MAX_CROPS: Final = 16
# An image is enlarged at most so much: larger pixels show nothing more.
MAX_ENLARGEMENT: Final = 2.0
# With a budget, a pass takes the largest of so many input sizes that fits.
INPUT_STEPS: Final = 20
# Smaller inputs of a later pass over the whole image show no more than the passes before it.
MIN_LATER_SIZE: Final = 400.0
CLOSE_UPS: Final = f"every face that {FIRST_MODEL} found is a close-up"
# The first pass, which finds close-ups, may take this share of a budget.
MAX_FIRST_SHARE: Final = 0.15
# Boxes of YuNet and O-Net are steadier than those of CenterFace in a smaller copy.
WHOLE_BOX_WEIGHT: Final = 3.0
MIN_REGION_GAIN: Final = 1.25  # the region's scale is at least so much larger
# Share of the time left that a pass may take, and of what it leaves that O-Net may take. The rest
# is for resolving overlaps.
PASS_TIME_SHARE: Final = 0.8
# Maximum ratio of the times to decode a JPEG at full scale and at a smaller scale.
FULL_DECODE_RATIO: Final = 3.0


@dataclass(frozen=True, slots=True)
class StepCosts:
    """Seconds per step on this machine.

    Attributes:
        pass_s_per_px: Of each network, per pixel of its input.
        integral_s_per_px: The integral, per pixel of the image.
        onet_s_per_crop: Cropping and O-Net, per candidate.
    """

    pass_s_per_px: Mapping[str, float]
    integral_s_per_px: float
    onet_s_per_crop: float


@dataclass(frozen=True, slots=True)
class RouterContext:
    """One image in the router.

    Attributes:
        image: The image.
        options: The options of the caller.
        time_budget: The time budget of the caller.
        costs: The costs of steps; None without a budget.
    """

    image: LazyImage
    options: DetectOptions
    time_budget: TimeBudget
    costs: StepCosts | None

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height of the image."""
        return self.image.width, self.image.height


class Found(NamedTuple):
    """The result after a step of the route.

    Attributes:
        model: The network of the last pass.
        candidates: Those of all passes.
        step: The step.
    """

    model: str
    candidates: Candidates
    step: RoutingStep


@dataclass(frozen=True, slots=True)
class Router:
    """The router with its detectors and numbers.

    Attributes:
        config: The numbers.
        networks: The networks of the passes by name.
        cascade: The cascade, of which O-Net confirms candidates.
        get_costs: Returns the costs of all steps on this machine. The first call measures them,
            because only callers with a budget need them.
    """

    config: RouterConfig
    networks: Mapping[str, AnchorFree]
    cascade: Mtcnn
    get_costs: Callable[[], StepCosts]

    def detect(self, image: LazyImage, options: DetectOptions, stopwatch: Stopwatch) -> Detections:
        """Return the faces of an image, best first, in its pixels, and the route.

        Scores are confidences on one scale.

        Raises:
            ImageError: The pixels cannot be decoded.
        """
        costs, budget_s = None, None
        if options.budget_ms is not None:
            costs, budget_s = self.get_costs(), options.budget_ms / 1000
            stopwatch.lap("queue")  # measuring the costs does not count towards the budget
        context = RouterContext(image, options, TimeBudget(budget_s, stopwatch), costs)
        passes = list(self._search(context))
        model, candidates, _ = passes[-1]
        boxes, keypoints, scores = self._select_faces(candidates, context)
        faces = build_faces(boxes, scores, keypoints, ANCHOR_FREE_LANDMARKS, model)
        stopwatch.lap("postprocess")
        return Detections(faces, tuple(found.step for found in passes))

    def _search(self, context: RouterContext) -> Iterator[Found]:
        """Yield what is found after each pass, and at the end why there is no other one."""
        sizes = self.config.input_sizes
        model, found, least = FIRST_MODEL, None, float(MIN_INPUT_SIZE)
        if self._is_first_pass_short(context):
            found, least = self._run_pass(context, model, sizes.first), MIN_LATER_SIZE
            why = f"{model} finds close-ups in a small copy"
            yield self._describe(context, model, found, "first_pass", why)
            if self._are_close_ups(context, found):
                yield Found(model, found, _skip_step("close_up", CLOSE_UPS))
                return
        size = self._fit_size(context, model, sizes.whole, least)
        if size is None and found is not None:
            yield Found(model, found, _skip_pass(context))
            return
        reason, why = _explain_whole_pass(context, size, is_first=found is None)
        size = size or MIN_INPUT_SIZE
        found = self._run_pass(context, model, size)
        yield self._describe(context, model, found, reason, why)
        if self._are_close_ups(context, found):
            yield Found(model, found, _skip_step("close_up", CLOSE_UPS))
            return
        search_size = self._fit_size(context, SEARCH_MODEL, sizes.search, MIN_LATER_SIZE)
        if search_size is None:
            yield Found(model, found, _skip_pass(context))
            return
        other = self._run_pass(context, SEARCH_MODEL, search_size)
        whole = Region(0, 0, *context.size_wh)
        found = merge_candidates(found, other, whole, WHOLE_BOX_WEIGHT)
        why = (
            f"{SEARCH_MODEL} judges the faces of {model}, and finds others, at {search_size:.0f} px"
        )
        yield self._describe(context, SEARCH_MODEL, found, "second_opinion", why)
        yield self._search_region(context, found, size)

    def _search_region(self, context: RouterContext, found: Candidates, size: float) -> Found:
        """Return what is found with the region of small faces at a larger scale.

        Args:
            context: The image.
            found: The candidates of the whole image.
            size: Longer side of the largest input that they were found in.
        """
        region = find_region(found, context.size_wh, self.config.region)
        if region is None:
            why = "no small faces are likely, so no region is searched at a larger scale"
            return Found(SEARCH_MODEL, found, _skip_step("too_few_expected", why))
        least = MIN_REGION_GAIN * size
        network, size = self.networks[SEARCH_MODEL], self.config.input_sizes.region
        if max(context.size_wh) / self._compute_scale(context, network, size, region) < least:
            why = "a larger scale would show nothing more"
            return Found(SEARCH_MODEL, found, _skip_step("too_few_expected", why))
        near_size = self._fit_size(context, SEARCH_MODEL, size, least, region)
        if near_size is None:
            return Found(SEARCH_MODEL, found, _skip_pass(context))
        near = self._run_pass(context, SEARCH_MODEL, near_size, region)
        found = merge_candidates(found, near, region)
        width, height = region.size_wh
        why = f"small faces are likely; searching {width} x {height} px at {near_size:.0f} px"
        return self._describe(context, SEARCH_MODEL, found, "more_faces_expected", why)

    def _run_pass(
        self, context: RouterContext, model: str, size: float, region: Region | None = None
    ) -> Candidates:
        """Return the candidates of one network in an image or a region of it.

        O-Net confirms those of the first network.

        Args:
            context: The image.
            model: Name of the network.
            size: Longer side of the whole image as the network sees it, pixels.
            region: The region; None means the whole image.
        """
        stopwatch, network = context.time_budget.stopwatch, self.networks[model]
        scale = self._compute_scale(context, network, size, region)
        scaled = context.image.decode_scaled(max(context.size_wh) / scale)
        stopwatch.lap("decode")
        corner_xy = np.array(scaled.origin_xy, np.float32)
        size_wh = context.size_wh
        if region is not None:
            scaled, corner_xy = _crop_scaled(scaled, region)
            height, width = scaled.pixels.shape
            size_wh = width * scaled.factor, height * scaled.factor
        elif any(scaled.origin_xy):
            scaled = ScaledImage(scaled.pixels, scaled.factor)
        boxes, keypoints, scores = network.predict(
            scaled,
            size_wh,
            scale,
            stopwatch,
            min_score=MIN_WHOLE_SCORE if region is None else MIN_REGION_SCORE,
            overlap=context.options.overlap,
        )
        # Those outside the image are in the black margin of the input.
        best = np.flatnonzero(are_centres_inside(boxes, (0, 0), size_wh))[:MAX_CANDIDATES]
        boxes, keypoints, scores = boxes[best], keypoints[best], scores[best]
        weights = self.config.confidences[model]
        confidences = compute_confidences(boxes, scores, None, scale, weights)
        found = Candidates(boxes + np.tile(corner_xy, 2), keypoints + corner_xy, confidences)
        stopwatch.lap("postprocess")
        if model != FIRST_MODEL:
            return found
        return self._confirm(context, scaled, corner_xy, found, scores, scale)

    def _confirm(  # noqa: PLR0913, PLR0917  what a pass has found, and where
        self,
        context: RouterContext,
        scaled: ScaledImage,
        corner_xy: NDArray[np.float32],
        found: Candidates,
        scores: Scores,
        scale: float,
    ) -> Candidates:
        """Return the candidates of a pass, the largest ones with O-Net's boxes and landmarks.

        Args:
            context: The image.
            scaled: Its pixels, perhaps at a smaller scale.
            corner_xy: Their corner in the image, pixels.
            found: The candidates, N.
            scores: (N,), of the network.
            scale: Pixels of the image for one of the network's input.
        """
        stopwatch = context.time_budget.stopwatch
        asked = self._choose_crops(context, scaled, found.boxes, found.confidences)  # (M,)
        boxes, keypoints, confidences = (
            part.copy() for part in (found.boxes, found.keypoints, found.confidences)
        )
        factor, corner = np.float32(scaled.factor), np.tile(corner_xy, 2)
        better, points, onet_scores = confirm_boxes(
            self.cascade,
            scaled.pixels,
            (boxes[asked] - corner) / factor,
            (keypoints[asked] - corner_xy) / factor,
            stopwatch,
        )
        weights = self.config.confirmed
        better, points = better * factor, points * factor
        confirmed = compute_confidences(better, scores[asked], onet_scores, scale, weights)
        # O-Net has learnt whole faces. It cannot refute one that the border cuts.
        is_cut = are_boxes_cut(boxes[asked], context.size_wh)  # (M,)
        least = np.where(is_cut, confidences[asked], np.float32(0))
        confidences[asked] = np.maximum(confirmed, least)
        boxes[asked], keypoints[asked] = better + corner, points + corner_xy
        stopwatch.lap("postprocess")
        return Candidates(boxes, keypoints, confidences)

    def _compute_scale(
        self, context: RouterContext, network: AnchorFree, size: float, region: Region | None = None
    ) -> float:
        """Return how many pixels of the image are one of the input, along a side."""
        width, height = context.size_wh if region is None else region.size_wh
        scale = max(
            1 / MAX_ENLARGEMENT,
            max(context.size_wh) / size,
            (context.options.min_face or 0) / network.spec.min_face,
            math.sqrt(width * height / network.spec.max_input_pixels),
        )
        return align_scale(scale)

    def _is_first_pass_short(self, context: RouterContext) -> bool:
        """Return whether the time of the first pass is a small part of what is left."""
        first_s = self._estimate_pass_s(context, FIRST_MODEL, self.config.input_sizes.first)
        left_s = PASS_TIME_SHARE * context.time_budget.get_remaining_s()
        return first_s <= MAX_FIRST_SHARE * left_s

    def _fit_size(
        self,
        context: RouterContext,
        model: str,
        size: float,
        least: float,
        region: Region | None = None,
    ) -> float | None:
        """Return the largest input size of a pass that fits the budget, if any is enough."""
        largest = max(context.size_wh) / self._compute_scale(
            context, self.networks[model], size, region
        )
        least = min(least, largest) if region is None else least
        for step in range(INPUT_STEPS, 0, -1):
            fitting = step / INPUT_STEPS * largest
            if fitting < least:
                return None
            estimate_s = self._estimate_pass_s(context, model, fitting, region)
            if estimate_s <= PASS_TIME_SHARE * context.time_budget.get_remaining_s():
                return fitting
        return None

    def _estimate_pass_s(
        self, context: RouterContext, model: str, size: float, region: Region | None = None
    ) -> float:
        """Return the seconds that a pass takes, with decoding and without O-Net."""
        if context.costs is None:
            return 0.0
        width, height = context.size_wh if region is None else region.size_wh
        scale = self._compute_scale(context, self.networks[model], size, region)
        decode_s = 0.0
        if context.image.is_decoded_again(max(context.size_wh) / scale):
            decode_s = context.time_budget.stopwatch.to_timings().stages["decode"]
        input_px = width * height / scale**2
        # The decoded image has up to twice the sides of the input.
        decoded_px = min(4 * input_px, width * height)
        return (
            FULL_DECODE_RATIO * decode_s
            + context.costs.pass_s_per_px[model] * input_px
            + context.costs.integral_s_per_px * decoded_px
        )

    def _choose_crops(
        self, context: RouterContext, scaled: ScaledImage, boxes: Boxes, confidences: Scores
    ) -> Indices:
        """Return the candidates that O-Net is asked about, the largest first."""
        sides = compute_sides(boxes)  # (N,)
        asked = np.flatnonzero(
            (sides >= MIN_CONFIRMED_SIDE_PX) & (confidences >= MIN_CONFIRMED_CONFIDENCE)
        )
        asked = asked[np.argsort(-sides[asked], kind="stable")][:MAX_CROPS]
        if context.costs is None:
            return asked
        left_s = PASS_TIME_SHARE * context.time_budget.get_remaining_s()
        left_s -= context.costs.integral_s_per_px * scaled.pixels.size
        return asked[: int(max(0.0, left_s / context.costs.onet_s_per_crop))]

    def _are_close_ups(self, context: RouterContext, found: Candidates) -> bool:
        """Return whether all faces are close-ups, and the best one is sure."""
        rule = self.config.close_up
        is_counted = found.confidences >= rule.min_confidence  # (N,)
        if not is_counted.any() or found.confidences.max() < rule.min_best_confidence:
            return False
        sides = compute_sides(found.boxes[is_counted])  # (N',)
        return bool((sides >= rule.min_side_share * min(context.size_wh)).all())

    def _describe(
        self,
        context: RouterContext,
        model: str,
        found: Candidates,
        reason: RouteReason,
        why: str,
    ) -> Found:
        """Return what a pass has found, with the number of its faces."""
        _, _, scores = self._select_faces(found, context)
        if not len(scores) and len(found.confidences):
            why += (
                f"; {len(found.confidences)} candidates are below the limits,"
                f" the best with {found.confidences.max():.2f}"
            )
        return Found(model, found, RoutingStep(model, len(scores), reason, why))

    def _select_faces(
        self, found: Candidates, context: RouterContext
    ) -> tuple[Boxes, Keypoints, Scores]:
        """Return boxes, keypoints and scores of those that pass the options, best first."""
        options = context.options
        boxes = clip_boxes(found.boxes, *context.size_wh)  # (N, 4)
        single = find_single_faces(boxes, found.confidences, context.size_wh)  # (S,)
        boxes, confidences = boxes[single], found.confidences[single]
        if options.min_score is None:
            passed = accept_faces(confidences, self.config.min_score, self.config.crowd_prior)
        else:
            passed = confidences >= options.min_score  # (S,)
        min_side_px = options.min_face or MIN_VISIBLE_SIDE_PX
        passed &= compute_shorter_sides(boxes) >= min_side_px
        best = np.flatnonzero(passed)[: options.max_faces]
        return boxes[best], found.keypoints[single][best], confidences[best]


def measure_step_costs(networks: Mapping[str, AnchorFree], cascade: Mtcnn) -> StepCosts:
    """Return the measured costs of all steps. This takes 0.3 seconds."""
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 2**24, (480, 640), np.uint32)
    sums = compute_integral(pixels)
    corners = rng.integers(0, 400, (ONET_BATCH_SIZE, 2))  # (B, 2)
    squares = np.concatenate([corners, corners + 40], axis=1).astype(np.float32)  # (B, 4)
    return StepCosts(
        {name: network.get_cost_s() for name, network in networks.items()},
        measure_step_s(lambda: compute_integral(pixels)) / pixels.size,
        measure_step_s(lambda: cascade.run_onet(sums, squares, 0.0, Stopwatch())) / ONET_BATCH_SIZE,
    )


def _crop_scaled(scaled: ScaledImage, region: Region) -> tuple[ScaledImage, NDArray[np.float32]]:
    """Return the part of an image that holds a region, and its corner in pixels of the image."""
    factor = scaled.factor
    left, top = scaled.origin_xy
    x1, y1 = (region.x1 - left) // factor, (region.y1 - top) // factor
    x2, y2 = -((left - region.x2) // factor), -((top - region.y2) // factor)
    pixels = np.ascontiguousarray(scaled.pixels[y1:y2, x1:x2])
    corner = np.array([x1 * factor + left, y1 * factor + top], np.float32)
    return ScaledImage(pixels, factor), corner


def _explain_whole_pass(
    context: RouterContext, size: float | None, *, is_first: bool
) -> tuple[RouteReason, str]:
    """Return why YuNet searches the whole image at an input size; None if none fits."""
    budget_ms = context.options.budget_ms
    if size is None:
        spent_ms = 1000 * context.time_budget.stopwatch.measure_work_s()
        return "budget_spent", (
            f"the smallest input of {FIRST_MODEL}; {spent_ms:.1f} ms of the budget of"
            f" {budget_ms:g} ms were spent before it"
        )
    if is_first:
        return "fits_budget", (
            f"the largest input of {FIRST_MODEL} that fits the budget of {budget_ms:g} ms"
        )
    return "not_close_up", f"the first pass found no close-up; searching the image at {size:.0f} px"


def _skip_pass(context: RouterContext) -> RoutingStep:
    """Return the skipped step of a pass that takes too long."""
    left_ms = max(0.0, 1000 * context.time_budget.get_remaining_s())
    why = (
        f"{left_ms:.1f} ms of the budget of {context.options.budget_ms or 0:g} ms are left,"
        " which is too short for another pass"
    )
    return _skip_step("no_time_left", why)


def _skip_step(reason: RouteReason, why: str) -> RoutingStep:
    return RoutingStep(SEARCH_MODEL, 0, reason, f"skipped: {why}", ran=False)
