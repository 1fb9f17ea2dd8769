"""The router: searches an image while more faces are expected and time is left.

1. The first pass runs one network on the whole image, the most accurate that fits the time
   budget. If all faces are close-ups, they are the answer.
2. The cascade searches the pyramid in stages, large faces first. A further stage runs only if
   enough small faces were found, because small faces appear in groups.
3. Scores of both become confidences on one scale, and boxes are calibrated.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from phiz.boxes.geometry import expand_to_squares
from phiz.detectors.blazeface import MIN_VISIBLE_SIDE_PX, OVERSAMPLING, BlazeFace
from phiz.detectors.calibration import accept_faces
from phiz.detectors.fusion import (
    CASCADE_MODEL,
    FirstPass,
    build_first_pass,
    calibrate_faces,
    fuse_faces,
    keep_single_faces,
)
from phiz.detectors.mtcnn import Mtcnn
from phiz.detectors.pyramid import CELL_PX, compute_scales
from phiz.detectors.pyramid_search import (
    NO_CANDIDATES,
    PNET_TIME_SHARE,
    PyramidSearch,
    merge_candidates,
)
from phiz.detectors.router_state import (
    RouterContext,
    RouterState,
    describe_expected_gain,
    explain_stage,
    is_close_up,
    is_worth_searching,
)
from phiz.detectors.time_budget import StepCosts, TimeBudget
from phiz.faces import Detections, DetectOptions, Face, RouteReason, RoutingStep
from phiz.image.integral import compute_integral
from phiz.image.lazy import LazyImage, ScaledImage
from phiz.models.router_config import PyramidStageConfig, RouterConfig
from phiz.timings import Stopwatch

FIRST_PASS_MIN_SCORE = 0.1  # weaker detections of the first pass are dropped
# Maximum ratio of the times to decode a JPEG at full scale and at a smaller scale.
FULL_DECODE_RATIO = 3.0
# Share of the time left that decoding the full image and its integral may take.
DECODE_TIME_SHARE = 0.3


@dataclass(frozen=True, slots=True)
class Router:
    """The router with its detectors and numbers.

    Attributes:
        config: The numbers.
        first_pass: The networks of the first pass by name, most accurate first.
        cascade: The cascade, with the limits of the router.
        get_costs: Returns the costs of all steps on this machine. The first call measures them,
            because only callers with a budget need them.
    """

    config: RouterConfig
    first_pass: Mapping[str, BlazeFace]
    cascade: Mtcnn
    get_costs: Callable[[], StepCosts]

    def detect(self, image: LazyImage, options: DetectOptions, stopwatch: Stopwatch) -> Detections:
        """Return the faces of an image, best first, in its pixels, and the route.

        Scores are confidences on one scale, and boxes are calibrated.

        Raises:
            ImageError: The pixels cannot be decoded.
        """
        state = self.run_stages(image, options, stopwatch)
        faces = self._select_faces(state.faces, options)
        stopwatch.lap("postprocess")
        return Detections(faces, state.route)

    def run_stages(
        self, image: LazyImage, options: DetectOptions, stopwatch: Stopwatch
    ) -> RouterState:
        """Return the state after all stages, with faces of any score and size.

        Raises:
            ImageError: The pixels cannot be decoded.
        """
        time_budget, costs = self._start_time_budget(options, stopwatch)
        scaled = image.decode_scaled(self._get_min_side_px())
        stopwatch.lap("decode")
        context = RouterContext(image, scaled, options, time_budget, costs)
        first_pass, reason, why = self._run_first_pass(context)
        weights = self.config.first_pass[first_pass.model].standalone
        faces = keep_single_faces(calibrate_faces(first_pass, weights), first_pass.size_wh)
        stopwatch.lap("postprocess")
        state = RouterState(first_pass, None, faces, ())
        step = RoutingStep(first_pass.model, self._count_faces(faces, options), reason, why)
        state = state.with_step(None, faces, step)
        if is_close_up(first_pass, self.config) and (
            outcome := self._confirm_close_up(context, first_pass)
        ):
            return state.with_skipped_step(*outcome)
        return self._search_pyramid(context, state)

    def _start_time_budget(
        self, options: DetectOptions, stopwatch: Stopwatch
    ) -> tuple[TimeBudget, StepCosts]:
        """Return the time budget of the caller, and the costs of steps."""
        if options.budget_ms is None:
            return TimeBudget(None, stopwatch), StepCosts.zeros(self.first_pass)
        costs = self.get_costs()
        stopwatch.lap("queue")  # measuring the costs does not count towards the budget
        return TimeBudget(options.budget_ms / 1000, stopwatch), costs

    def _get_min_side_px(self) -> float:
        """Return the minimum longer side of the image for the first pass."""
        strongest = next(iter(self.first_pass.values()))
        if strongest.reference:
            return math.inf
        return OVERSAMPLING * strongest.spec.size

    def _run_first_pass(self, context: RouterContext) -> tuple[FirstPass, RouteReason, str]:
        """Return the detections of the best affordable network, and why it was chosen."""
        left_s = context.time_budget.get_remaining_s()
        passes = context.options.passes
        fitting = [
            name for name in self.first_pass if passes * context.costs.first_pass_s[name] <= left_s
        ]
        cheapest = min(self.first_pass, key=lambda name: context.costs.first_pass_s[name])
        model = fitting[0] if fitting else cheapest
        reason: RouteReason = "first_pass"
        why = f"{model} is the most accurate model for the first pass"
        if not fitting:
            spent_ms = 1000 * context.time_budget.stopwatch.measure_work_s()
            budget_ms = context.options.budget_ms
            reason = "budget_spent"
            why = (
                f"{model} is the fastest model; {spent_ms:.1f} ms of the budget of {budget_ms:g} ms"
                " were spent before it"
            )
        elif model != next(iter(self.first_pass)):
            reason = "fits_budget"
            why = f"{model} is the most accurate model that fits the {1000 * left_s:.1f} ms left"
        found = self.first_pass[model].detect(
            LazyImage.from_packed(context.scaled.pixels),
            DetectOptions(FIRST_PASS_MIN_SCORE, overlap=context.options.overlap, passes=passes),
            context.time_budget.stopwatch,
        )
        size_wh = context.image.width, context.image.height
        first_pass = build_first_pass(found.faces, context.scaled, size_wh, self.config, model)
        return first_pass, reason, why

    def _confirm_close_up(
        self, context: RouterContext, first_pass: FirstPass
    ) -> tuple[RouteReason, str] | None:
        """Return why the close-ups of the first pass are the answer, or None if O-Net disagrees.

        Without time for O-Net they are the answer as they are.
        """
        found = f"the cascade: every face that {first_pass.model} found is a close-up"
        boxes = first_pass.boxes[first_pass.scores >= self.config.close_up.min_score]  # (G, 4)
        cost_s = (
            context.costs.integral_s_per_px * context.scaled.pixels.size
            + context.costs.onet_s_per_crop * len(boxes)
        )
        if not context.time_budget.count_affordable(cost_s, 1.0, 1):
            return "close_up_unconfirmed", f"{found}; no time is left to confirm this with O-Net"
        sums = compute_integral(context.scaled.pixels)
        context.time_budget.stopwatch.lap("preprocess")
        origin = np.tile(np.array(context.scaled.origin_xy, np.float32), 2)
        seen = expand_to_squares((boxes - origin) / np.float32(context.scaled.factor))  # (G, 4)
        limit = self.config.close_up.min_onet_score
        _, scores, _ = self.cascade.run_onet(sums, seen, limit, context.time_budget.stopwatch)
        if len(scores) < len(boxes):
            return None
        return "close_up", f"{found}, and O-Net confirmed this"

    def _search_pyramid(self, context: RouterContext, state: RouterState) -> RouterState:
        """Return the state after all pyramid stages that are worth their time."""
        source = self._decode_source(context)
        search = None
        for stage, scales in self._plan_pyramid_stages(context, source):
            if not is_worth_searching(stage, state.faces):
                return state.with_skipped_step(
                    "too_few_expected", f"faces of {describe_expected_gain(stage, state.faces)}"
                )
            if shortage := self._explain_lack_of_time(scales, source, context):
                return state.with_skipped_step("no_time_left", shortage)
            search = search or PyramidSearch.from_image(self.cascade, context.costs, source)
            context.time_budget.stopwatch.lap("preprocess")
            reason, why = explain_stage(stage, state.faces)
            more = search.search_levels(scales, context.time_budget)
            known = state.candidates or NO_CANDIDATES
            candidates = merge_candidates(known, more, self.cascade.spec.onet_overlap_limit)
            faces = fuse_faces(candidates, state.first_pass, self.config)
            face_count = self._count_faces(faces, context.options)
            step = RoutingStep(CASCADE_MODEL, face_count, reason, why)
            state = state.with_step(candidates, faces, step)
            context.time_budget.stopwatch.lap("postprocess")
        return state

    def _decode_source(self, context: RouterContext) -> ScaledImage:
        """Return the image for the cascade, at full scale if the time allows."""
        pixels = context.image.width * context.image.height
        decode_s = FULL_DECODE_RATIO * context.time_budget.stopwatch.to_timings().stages["decode"]
        full_decode_s = decode_s + context.costs.integral_s_per_px * pixels
        if context.scaled.factor > 1 and not context.time_budget.count_affordable(
            full_decode_s, DECODE_TIME_SHARE, 1
        ):
            return context.scaled
        full = context.image.decode_finest()
        context.time_budget.stopwatch.lap("decode")
        return full

    def _plan_pyramid_stages(
        self, context: RouterContext, source: ScaledImage
    ) -> Iterator[tuple[PyramidStageConfig, list[float]]]:
        """Yield each stage with the scales of its levels to the image, smallest first.

        Levels larger than the source are omitted, and so are levels whose faces are all below
        ``min_face``.
        """
        height, width = context.image.height, context.image.width
        min_face_px = (context.options.min_face or 0) * self.config.factor
        coarser_scale = 0.0
        for stage in self.config.pyramid_stages:
            scales = compute_scales(height, width, stage.min_face_px, self.config.factor)[::-1]
            levels = [
                scale
                for scale in scales
                if scale > coarser_scale
                and scale * source.factor <= 1
                and CELL_PX / scale > min_face_px
            ]
            coarser_scale = max(scales, default=coarser_scale)
            if levels:
                yield stage, levels

    def _explain_lack_of_time(
        self, scales: Sequence[float], source: ScaledImage, context: RouterContext
    ) -> str:
        """Return how little time is left for a stage's first level, or an empty text."""
        pixels = source.pixels.size
        level_px = pixels * (scales[0] * source.factor) ** 2
        if context.time_budget.count_affordable(
            context.costs.integral_s_per_px * pixels + context.costs.pnet_s_per_px * level_px,
            PNET_TIME_SHARE,
            1,
        ):
            return ""
        left_ms = max(0.0, 1000 * context.time_budget.get_remaining_s())
        return (
            f"the next stage of the cascade: {left_ms:.1f} ms of the budget of"
            f" {context.options.budget_ms:g} ms are left, which is too short"
        )

    def _count_faces(self, faces: Sequence[Face], options: DetectOptions) -> int:
        return len(self._select_faces(faces, options))

    def _select_faces(self, faces: Sequence[Face], options: DetectOptions) -> tuple[Face, ...]:
        """Return the faces that pass the options of the caller, by falling confidence."""
        min_side_px = options.min_face or MIN_VISIBLE_SIDE_PX
        passed = self._filter_by_score(faces, options.min_score)
        return tuple(face for face in passed if _compute_shorter_side(face) >= min_side_px)[
            : options.max_faces
        ]

    def _filter_by_score(self, faces: Sequence[Face], min_score: float | None) -> Sequence[Face]:
        """Return the faces that pass the score limit."""
        if min_score is not None:
            return [face for face in faces if face.score >= min_score]
        scores = np.array([face.score for face in faces], np.float32)  # (N,)
        passed = accept_faces(scores, self.config.min_score, self.config.crowd_prior)  # (N,)
        return [face for face, is_shown in zip(faces, passed, strict=True) if is_shown]


def _compute_shorter_side(face: Face) -> float:
    x1, y1, x2, y2 = face.box
    return min(x2 - x1, y2 - y1)
