"""The router: searches an image while more faces are expected and time is left.

1. The first pass runs YuNet on a small copy of the image. If all faces are close-ups, they are the
   answer. Under a short budget it is the only pass, with the larger input and network that fit.
2. The second pass runs CenterFace on the image.
3. The third pass runs CenterFace on the region around small faces, at a larger scale, because small
   faces appear in groups.

O-Net confirms the candidates of each pass, and gives boxes and landmarks. Scores become confidences
on one scale.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from phiz.boxes.geometry import clip_boxes, compute_shorter_sides
from phiz.boxes.nms import find_single_faces
from phiz.detectors.anchor_free import (
    ANCHOR_FREE_LANDMARKS,
    MIN_INPUT_SIZE,
    MIN_VISIBLE_SIDE_PX,
    AnchorFree,
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
# With a budget, a pass over a region takes the largest of these shares of its input size that fits.
SIZE_SHARES: Final = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)
SINGLE_STEPS: Final = 20  # input sizes of a pass over the whole image, with a budget
# The second pass leaves time for a third one of so many times its own. If there is none, a second
# pass with a larger input finds more.
REGION_TIME_RATIO: Final = 1.0
# From this input size on, CenterFace finds more easy and medium faces than YuNet in the same time.
MIN_SEARCH_SIZE: Final = 448.0
# The first pass, which finds close-ups, may take this share of a budget.
MAX_FIRST_SHARE: Final = 0.15
MIN_REGION_GAIN: Final = 1.25  # the region's scale is at least so much larger
# Share of the time left that a pass may take. The rest is for O-Net.
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
        model, candidates, route = self._run_passes(context)
        boxes, keypoints, scores = self._select_faces(candidates, context)
        faces = build_faces(boxes, scores, keypoints, ANCHOR_FREE_LANDMARKS, model)
        stopwatch.lap("postprocess")
        return Detections(faces, route)

    def _run_passes(
        self, context: RouterContext
    ) -> tuple[str, Candidates, tuple[RoutingStep, ...]]:
        """Return the network of the last pass, the candidates of all, and the route."""
        sizes = self.config.input_sizes
        model, size, reason, why = self._choose_first_pass(context)
        size = max(context.size_wh) / self._compute_scale(context, self.networks[model], size)
        found = self._run_pass(context, model, size)
        route = [self._build_step(context, model, found, reason, why)]
        if close_up := self._explain_close_up(context, model, found):
            return model, found, (*route, _skip_step("close_up", close_up))
        if model == FIRST_MODEL and size <= sizes.first:
            whole = self._fit_whole_size(context, size)
            if whole is None:
                return model, found, (*route, _skip_pass(context))
            model, size = SEARCH_MODEL, whole
            found = self._run_pass(context, model, size)
            why = f"the first pass found no close-up; searching the image at {size:.0f} px"
            route.append(self._build_step(context, model, found, "not_close_up", why))
        region = find_region(found, context.size_wh, self.config.region)
        if region is None:
            why = "no small faces are likely, so no region is searched at a larger scale"
            return model, found, (*route, _skip_step("too_few_expected", why))
        search = self.networks[SEARCH_MODEL]
        largest = max(context.size_wh) / self._compute_scale(context, search, sizes.region, region)
        if largest < MIN_REGION_GAIN * size:
            why = "a larger scale would show nothing more"
            return model, found, (*route, _skip_step("too_few_expected", why))
        near_size = self._fit_size(context, sizes.region, MIN_REGION_GAIN * size, region)
        if near_size is None:
            return model, found, (*route, _skip_pass(context))
        near = self._run_pass(context, SEARCH_MODEL, near_size, region)
        found = merge_candidates(found, near, region)
        width, height = region.size_wh
        why = f"small faces are likely; searching {width} x {height} px at {near_size:.0f} px"
        route.append(self._build_step(context, SEARCH_MODEL, found, "more_faces_expected", why))
        return SEARCH_MODEL, found, tuple(route)

    def _run_pass(
        self, context: RouterContext, model: str, size: float, region: Region | None = None
    ) -> Candidates:
        """Return the confirmed candidates of one network in an image or a region of it.

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
        is_cut = are_boxes_cut(boxes + np.tile(corner_xy, 2), context.size_wh)  # (N,)
        asked = self._choose_crops(context, scaled, boxes, confidences)
        stopwatch.lap("postprocess")
        if len(asked):
            sums = compute_integral(scaled.pixels)
            stopwatch.lap("preprocess")
            factor = np.float32(scaled.factor)
            better, points, onet_scores = confirm_boxes(
                self.cascade, sums, boxes[asked] / factor, keypoints[asked] / factor, stopwatch
            )
            boxes[asked], keypoints[asked] = better * factor, points * factor
            confirmed = compute_confidences(
                boxes[asked], scores[asked], onet_scores, scale, weights
            )
            # O-Net has learnt whole faces. It cannot refute one that the border cuts.
            least = np.where(is_cut[asked], confidences[asked], np.float32(0))
            confidences[asked] = np.maximum(confirmed, least)
        stopwatch.lap("postprocess")
        return Candidates(boxes + np.tile(corner_xy, 2), keypoints + corner_xy, confidences)

    def _compute_scale(
        self, context: RouterContext, network: AnchorFree, size: float, region: Region | None = None
    ) -> float:
        """Return how many pixels of the image are one of the input, along a side."""
        width, height = context.size_wh if region is None else region.size_wh
        return max(
            1 / MAX_ENLARGEMENT,
            max(context.size_wh) / size,
            (context.options.min_face or 0) / network.spec.min_face,
            math.sqrt(width * height / network.spec.max_input_pixels),
        )

    def _choose_first_pass(self, context: RouterContext) -> tuple[str, float, RouteReason, str]:
        """Return network and input size of the first pass, and why."""
        first = self.config.input_sizes.first
        left_s = PASS_TIME_SHARE * context.time_budget.get_remaining_s()
        first_s = self._estimate_pass_s(context, FIRST_MODEL, first)
        search_s = self._estimate_pass_s(context, SEARCH_MODEL, MIN_SEARCH_SIZE)
        if first_s <= MAX_FIRST_SHARE * left_s and first_s + search_s <= left_s:
            why = f"{FIRST_MODEL} finds close-ups in a small copy"
            return FIRST_MODEL, first, "first_pass", why
        budget_ms = context.options.budget_ms
        for model in (SEARCH_MODEL, FIRST_MODEL):
            size = self._fit_single_size(context, model)
            if size is not None:
                why = f"the largest input of {model} that fits the budget of {budget_ms:g} ms"
                return model, size, "fits_budget", why
        spent_ms = 1000 * context.time_budget.stopwatch.measure_work_s()
        why = (
            f"the smallest input of {FIRST_MODEL}; {spent_ms:.1f} ms of the budget of"
            f" {budget_ms:g} ms were spent before it"
        )
        return FIRST_MODEL, MIN_INPUT_SIZE, "budget_spent", why

    def _fit_whole_size(self, context: RouterContext, least: float) -> float | None:
        """Return the input size of the second pass, above the first one's, if any fits."""
        whole = self.config.input_sizes.whole
        search_s = self._estimate_pass_s(context, SEARCH_MODEL, whole)
        left_s = PASS_TIME_SHARE * context.time_budget.get_remaining_s()
        if (1 + REGION_TIME_RATIO) * search_s > left_s:
            single = self._fit_single_size(context, SEARCH_MODEL)
            if single is not None:
                return single
        return self._fit_size(context, whole, least)

    def _fit_single_size(self, context: RouterContext, model: str) -> float | None:
        """Return the largest input size of the only pass of a network that fits, if any does."""
        single = self.config.input_sizes.single
        left_s = PASS_TIME_SHARE * context.time_budget.get_remaining_s()
        scale = self._compute_scale(context, self.networks[model], single)
        largest = max(context.size_wh) / scale
        least = min(MIN_SEARCH_SIZE if model == SEARCH_MODEL else MIN_INPUT_SIZE, largest)
        for step in range(SINGLE_STEPS, 0, -1):
            size = step / SINGLE_STEPS * largest
            if size < least:
                return None
            if self._estimate_pass_s(context, model, size) <= left_s:
                return size
        return None

    def _fit_size(
        self, context: RouterContext, size: float, least: float, region: Region | None = None
    ) -> float | None:
        """Return the largest input size of the search that fits the budget, if any is enough."""
        for share in SIZE_SHARES:
            scale = self._compute_scale(context, self.networks[SEARCH_MODEL], share * size, region)
            fitting = max(context.size_wh) / scale
            if fitting < least:
                return None
            estimate_s = self._estimate_pass_s(context, SEARCH_MODEL, fitting, region)
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
        left_s = context.time_budget.get_remaining_s()
        left_s -= context.costs.integral_s_per_px * scaled.pixels.size
        return asked[: int(max(0.0, left_s / context.costs.onet_s_per_crop))]

    def _explain_close_up(self, context: RouterContext, model: str, found: Candidates) -> str:
        """Return why the faces of the first pass are the answer, or an empty text."""
        rule = self.config.close_up
        is_counted = found.confidences >= rule.min_confidence  # (N,)
        if not is_counted.any() or found.confidences.max() < rule.min_best_confidence:
            return ""
        sides = compute_sides(found.boxes[is_counted])  # (N',)
        if (sides < rule.min_side_share * min(context.size_wh)).any():
            return ""
        return f"every face that {model} found is a close-up"

    def _build_step(
        self,
        context: RouterContext,
        model: str,
        found: Candidates,
        reason: RouteReason,
        why: str,
    ) -> RoutingStep:
        """Return the step of a pass, with the number of its faces."""
        _, _, scores = self._select_faces(found, context)
        if not len(scores) and len(found.confidences):
            why += (
                f"; {len(found.confidences)} candidates are below the limits,"
                f" the best with {found.confidences.max():.2f}"
            )
        return RoutingStep(model, len(scores), reason, why)

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
