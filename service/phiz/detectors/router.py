"""The router: looks at each picture as long as more faces are expected, and there is time.

1. One network looks at the whole picture, the strongest that the caller's time allows. If
   all it sees is near, that is the answer.
2. The cascade searches the pyramid in stages, the large faces first; each further stage only
   if enough small faces are there already, since small faces come in numbers.
3. What first pass and cascade found is put on one scale of confidence, boxes are calibrated alike.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from phiz.boxes.geometry import expand_to_squares
from phiz.detectors.blazeface import OVERSAMPLING, BlazeFace
from phiz.detectors.calibration import accept_faces
from phiz.detectors.fusion import (
    CASCADE_MODEL,
    FirstPass,
    build_first_pass,
    calibrate_faces,
    count_expected_faces,
    fuse_faces,
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
    SMALL_FACE_RATIO,
    RouterContext,
    RouterState,
    describe_expected_gain,
    is_close_up,
)
from phiz.detectors.time_budget import StepCosts, TimeBudget
from phiz.faces import Detections, DetectOptions, Face, RoutingStep
from phiz.image.integral import compute_integral
from phiz.image.lazy import LazyImage, ScaledImage
from phiz.models.router_config import PyramidStageConfig, RouterConfig
from phiz.timings import Stopwatch

FIRST_PASS_MIN_SCORE = 0.1  # the first pass's weaker detections are not worth carrying along
# Decoding a whole JPEG takes at most so many times as long as decoding it at a smaller scale.
FULL_DECODE_RATIO = 3.0
# Of the time left, what decoding and summing up the whole picture may take.
DECODE_TIME_SHARE = 0.3
MIN_VISIBLE_SIDE_PX = 1.0  # what is left of a face beyond the border is no face


@dataclass(frozen=True, slots=True)
class Router:
    """The router's detectors and numbers.

    Attributes:
        config: The numbers.
        first_pass: By name, the strongest first.
        cascade: With the router's own limits.
        get_costs: Returns the costs of all steps on this machine; measures them the first time:
            only budgets go by them, and most callers give none.
    """

    config: RouterConfig
    first_pass: Mapping[str, BlazeFace]
    cascade: Mtcnn
    get_costs: Callable[[], StepCosts]

    def detect(self, image: LazyImage, options: DetectOptions, stopwatch: Stopwatch) -> Detections:
        """Return the faces of a picture, best first, in its pixels, and the route to them.

        Scores are confidences on the common scale, boxes calibrated.

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
        """Return all that was found on the way, whatever its score or size.

        Raises:
            ImageError: The pixels cannot be decoded.
        """
        time_budget, costs = self._start_time_budget(options, stopwatch)
        scaled = image.decode_scaled(self._get_min_side_px())
        stopwatch.lap("decode")
        context = RouterContext(image, scaled, options, time_budget, costs)
        first_pass, why = self._run_first_pass(context)
        faces = calibrate_faces(first_pass, self.config.first_pass[first_pass.model].standalone)
        stopwatch.lap("postprocess")
        state = RouterState(first_pass, None, faces, ())
        state = state.with_step(
            None, faces, RoutingStep(first_pass.model, self._count_faces(faces, options), why)
        )
        if is_close_up(first_pass, self.config) and (
            agreed := self._confirm_close_up(context, first_pass)
        ):
            return state.with_skipped_step(
                f"all that {first_pass.model} sees is near, and {agreed}"
            )
        return self._search_pyramid(context, state)

    def _start_time_budget(
        self, options: DetectOptions, stopwatch: Stopwatch
    ) -> tuple[TimeBudget, StepCosts]:
        """Return the caller's time, and the costs of what it may be spent on."""
        if options.budget_ms is None:
            return TimeBudget(None, stopwatch), StepCosts.zeros(self.first_pass)
        costs = self.get_costs()
        stopwatch.lap("queue")  # where they were measured now, that is not the caller's time
        return TimeBudget(options.budget_ms / 1000, stopwatch), costs

    def _get_min_side_px(self) -> float:
        """Return the longer side that the first pass's view of a picture has at least."""
        strongest = next(iter(self.first_pass.values()))
        if strongest.reference:
            return math.inf
        return OVERSAMPLING * strongest.spec.size

    def _run_first_pass(self, context: RouterContext) -> tuple[FirstPass, str]:
        """Return what the strongest affordable network sees, and why it was that one."""
        left_s = context.time_budget.get_remaining_s()
        passes = context.options.passes
        fitting = [
            name for name in self.first_pass if passes * context.costs.first_pass_s[name] <= left_s
        ]
        cheapest = min(self.first_pass, key=lambda name: context.costs.first_pass_s[name])
        model = fitting[0] if fitting else cheapest
        why = "the strongest single look"
        if not fitting:
            spent_ms = 1000 * context.time_budget.stopwatch.measure_work_s()
            budget_ms = context.options.budget_ms
            why = f"decoding left no time: {spent_ms:.1f} ms of {budget_ms:g} are gone"
        elif model != next(iter(self.first_pass)):
            why = f"the strongest single look that fits the {1000 * left_s:.1f} ms left"
        found = self.first_pass[model].detect(
            LazyImage.from_packed(context.scaled.pixels),
            DetectOptions(FIRST_PASS_MIN_SCORE, overlap=context.options.overlap, passes=passes),
            context.time_budget.stopwatch,
        )
        size_wh = context.image.width, context.image.height
        return build_first_pass(found.faces, context.scaled, size_wh, self.config, model), why

    def _confirm_close_up(self, context: RouterContext, first_pass: FirstPass) -> str:
        """Return that O-Net takes all that counts of the first pass for faces, or was not asked.

        That is for lack of time. Empty if it takes one for none.
        """
        boxes = first_pass.boxes[first_pass.scores >= self.config.close_up.min_score]  # (G, 4)
        cost_s = (
            context.costs.integral_s_per_px * context.scaled.pixels.size
            + context.costs.onet_s_per_crop * len(boxes)
        )
        if not context.time_budget.count_affordable(cost_s, 1.0, 1):
            return "there is no time to ask O-Net"
        sums = compute_integral(context.scaled.pixels)
        context.time_budget.stopwatch.lap("preprocess")
        origin = np.tile(np.array(context.scaled.origin_xy, np.float32), 2)
        seen = expand_to_squares((boxes - origin) / np.float32(context.scaled.factor))  # (G, 4)
        limit = self.config.close_up.min_onet_score
        _, scores, _ = self.cascade.run_onet(sums, seen, limit, context.time_budget.stopwatch)
        return "O-Net agrees" if len(scores) == len(boxes) else ""

    def _search_pyramid(self, context: RouterContext, state: RouterState) -> RouterState:
        """Return what is found by as many stages as are worth it."""
        source = self._decode_source(context)
        search = None
        for stage, scales in self._plan_pyramid_stages(context, source):
            objection = self._explain_low_gain(stage, state.faces)
            if reason := objection or self._explain_lack_of_time(scales, source, context):
                return state.with_skipped_step(reason)
            search = search or PyramidSearch.from_image(self.cascade, context.costs, source)
            context.time_budget.stopwatch.lap("preprocess")
            why = describe_expected_gain(stage, state.faces)
            more = search.search_levels(scales, context.time_budget)
            known = state.candidates or NO_CANDIDATES
            candidates = merge_candidates(known, more, self.cascade.spec.onet_overlap_limit)
            faces = fuse_faces(candidates, state.first_pass, self.config)
            step = RoutingStep(CASCADE_MODEL, self._count_faces(faces, context.options), why)
            state = state.with_step(candidates, faces, step)
            context.time_budget.stopwatch.lap("postprocess")
        return state

    def _decode_source(self, context: RouterContext) -> ScaledImage:
        """Return the picture for the cascade: whole, unless the time is too short for that."""
        pixels = context.image.width * context.image.height
        decode_s = FULL_DECODE_RATIO * context.time_budget.stopwatch.to_timings().stages["decode"]
        full_decode_s = decode_s + context.costs.integral_s_per_px * pixels
        if context.scaled.factor > 1 and not context.time_budget.count_affordable(
            full_decode_s, DECODE_TIME_SHARE, 1
        ):
            return context.scaled
        full = ScaledImage(context.image.decode_full())
        context.time_budget.stopwatch.lap("decode")
        return full

    def _plan_pyramid_stages(
        self, context: RouterContext, source: ScaledImage
    ) -> Iterator[tuple[PyramidStageConfig, list[float]]]:
        """Yield stages and the scales of their levels to the picture, smallest first.

        Levels that are larger than the source, or whose faces are all under the caller's
        ``min_face``, are no part of them.
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

    def _explain_low_gain(self, stage: PyramidStageConfig, faces: Sequence[Face]) -> str:
        """Return why a stage is not worth it, or nothing."""
        if (
            count_expected_faces(faces, SMALL_FACE_RATIO * stage.min_face_px)
            >= stage.min_expected_gain
        ):
            return ""
        return (
            f"{describe_expected_gain(stage, faces)}, {stage.min_expected_gain:g} would be needed"
        )

    def _explain_lack_of_time(
        self, scales: Sequence[float], source: ScaledImage, context: RouterContext
    ) -> str:
        """Return why there is no time for a stage's first level, or nothing."""
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
            f"{left_ms:.1f} ms of {context.options.budget_ms:g} are left, too few for the cascade"
        )

    def _count_faces(self, faces: Sequence[Face], options: DetectOptions) -> int:
        return len(self._select_faces(faces, options))

    def _select_faces(self, faces: Sequence[Face], options: DetectOptions) -> tuple[Face, ...]:
        """Return those of the faces, by falling confidence, that the caller asked for."""
        min_side_px = options.min_face or MIN_VISIBLE_SIDE_PX
        passed = self._filter_by_score(faces, options.min_score)
        return tuple(face for face in passed if _compute_shorter_side(face) >= min_side_px)[
            : options.max_faces
        ]

    def _filter_by_score(self, faces: Sequence[Face], min_score: float | None) -> Sequence[Face]:
        """Return those of the faces that score enough."""
        if min_score is not None:
            return [face for face in faces if face.score >= min_score]
        scores = np.array([face.score for face in faces], np.float32)  # (N,)
        passed = accept_faces(scores, self.config.min_score, self.config.crowd_prior)  # (N,)
        return [face for face, is_shown in zip(faces, passed, strict=True) if is_shown]


def _compute_shorter_side(face: Face) -> float:
    x1, y1, x2, y2 = face.box
    return min(x2 - x1, y2 - y1)
