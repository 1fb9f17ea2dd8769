"""The router: looks at each picture as long as that promises faces, and there is time.

1. One network glances at the whole picture, the strongest that the caller's time allows. If
   all it sees is near, that is the answer.
2. The cascade climbs the pyramid in flights, the large faces first; each further flight only
   if enough small faces are there already, since small faces come in numbers.
3. What glance and cascade found is put on one scale of confidence, boxes in one convention.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from phiz.boxes.geometry import square
from phiz.detectors.blazeface import OVERSAMPLING, BlazeFace
from phiz.detectors.calibration import shown
from phiz.detectors.fusion import CASCADE, Glance, fused, glanced, rated, sum_below
from phiz.detectors.mtcnn import Mtcnn
from phiz.detectors.pyramid import CELL, scales_of
from phiz.detectors.pyramid_search import NO_CANDIDATES, SEARCH_SHARE, Climber, joined
from phiz.detectors.router_state import SMALL, Survey, Work, is_near, promise
from phiz.detectors.time_budget import Allowance, Costs
from phiz.faces import Detections, DetectOptions, Face, Step
from phiz.image.integral import integral
from phiz.image.lazy import Picture, Reduced
from phiz.models.router_config import FlightCard, RouterCard
from phiz.timings import Stopwatch

GLANCE_FLOOR = 0.1  # a glance's weaker detections are not worth carrying along
# Decoding a whole JPEG takes at most so many times as long as decoding it at a smaller scale.
WHOLE_DECODE = 3.0
# Of the time left, what decoding and summing up the whole picture may take.
SOURCE_SHARE = 0.3
MIN_SIDE = 1.0  # what is left of a face beyond the border is no face


@dataclass(frozen=True, slots=True)
class Auto:
    """The router's detectors and numbers.

    Attributes:
        card: The numbers.
        glances: By name, the strongest first.
        cascade: With the router's own limits.
        costs: Returns those of all their steps on this machine, and measures them the first time:
            only budgets go by them, and most callers give none.
    """

    card: RouterCard
    glances: Mapping[str, BlazeFace]
    cascade: Mtcnn
    costs: Callable[[], Costs]

    def detect(self, picture: Picture, options: DetectOptions, stopwatch: Stopwatch) -> Detections:
        """Return the faces of a picture, best first, in its pixels, and the route to them.

        Scores are confidences on the common scale, boxes in the common convention.

        Raises:
            ImageError: The pixels cannot be decoded.
        """
        survey = self.survey(picture, options, stopwatch)
        faces = self._answered(survey.faces, options)
        stopwatch.lap("postprocess")
        return Detections(faces, survey.route)

    def survey(self, picture: Picture, options: DetectOptions, stopwatch: Stopwatch) -> Survey:
        """Return all that was found on the way, whatever its score or size.

        Raises:
            ImageError: The pixels cannot be decoded.
        """
        allowance, costs = self._allowed(options, stopwatch)
        view = picture.reduced(self._view_px())
        stopwatch.lap("decode")
        work = Work(picture, view, options, allowance, costs)
        glance, why = self._glance(work)
        faces = rated(glance, self.card.glances[glance.model].alone)
        stopwatch.lap("postprocess")
        survey = Survey(glance, None, faces, ())
        survey = survey.after(None, faces, Step(glance.model, self._count(faces, options), why))
        if is_near(glance, self.card) and (agreed := self._agreed(work, glance)):
            return survey.without(f"all that {glance.model} sees is near, and {agreed}")
        return self._climb(work, survey)

    def _allowed(self, options: DetectOptions, stopwatch: Stopwatch) -> tuple[Allowance, Costs]:
        """Return the caller's time, and the costs of what it may be spent on."""
        if options.budget_ms is None:
            return Allowance(None, stopwatch), Costs.none(self.glances)
        costs = self.costs()
        stopwatch.lap("queue")  # where they were measured now, that is not the caller's time
        return Allowance(options.budget_ms / 1000, stopwatch), costs

    def _view_px(self) -> float:
        """Return the longer side that a glance's view of a picture has at least."""
        strongest = next(iter(self.glances.values()))
        if strongest.faithful:
            return math.inf
        return OVERSAMPLING * strongest.spec.size

    def _glance(self, work: Work) -> tuple[Glance, str]:
        """Return what the strongest affordable network sees, and why it was that one."""
        left_s = work.allowance.left_s()
        passes = work.options.passes
        fitting = [name for name in self.glances if passes * work.costs.glances[name] <= left_s]
        cheapest = min(self.glances, key=lambda name: work.costs.glances[name])
        model = fitting[0] if fitting else cheapest
        why = "the strongest single look"
        if not fitting:
            spent_ms = 1000 * work.allowance.stopwatch.worked_s()
            why = f"decoding left no time: {spent_ms:.1f} ms of {work.options.budget_ms:g} are gone"
        elif model != next(iter(self.glances)):
            why = f"the strongest single look that fits the {1000 * left_s:.1f} ms left"
        found = self.glances[model].detect(
            Picture.of_raster(work.view.pixels),
            DetectOptions(GLANCE_FLOOR, overlap=work.options.overlap, passes=passes),
            work.allowance.stopwatch,
        )
        size_wh = work.picture.width, work.picture.height
        return glanced(found.faces, work.view, size_wh, self.card, model), why

    def _agreed(self, work: Work, glance: Glance) -> str:
        """Return that O-Net takes all that counts of a glance for faces, or was not asked.

        That is for lack of time. Empty if it takes one for none.
        """
        boxes = glance.boxes[glance.scores >= self.card.near.hint]  # (G, 4)
        cost_s = work.costs.integral * work.view.pixels.size + work.costs.onet * len(boxes)
        if not work.allowance.affords(cost_s, 1.0, 1):
            return "there is no time to ask O-Net"
        sums = integral(work.view.pixels)
        work.allowance.stopwatch.lap("preprocess")
        origin = np.tile(np.array(work.view.origin_xy, np.float32), 2)
        seen = square((boxes - origin) / np.float32(work.view.factor))  # (G, 4)
        limit = self.card.near.confirmed
        _, scores, _ = self.cascade.judge(sums, seen, limit, work.allowance.stopwatch)
        return "O-Net agrees" if len(scores) == len(boxes) else ""

    def _climb(self, work: Work, survey: Survey) -> Survey:
        """Return what is found by as many flights as are worth it."""
        source = self._source(work)
        climber = None
        for flight, scales in self._flights(work, source):
            against = self._against(flight, survey.faces)
            if reason := against or self._unaffordable(scales, source, work):
                return survey.without(reason)
            climber = climber or Climber.on(self.cascade, work.costs, source)
            work.allowance.stopwatch.lap("preprocess")
            why = promise(flight, survey.faces)
            more = climber.climb(scales, work.allowance)
            known = survey.candidates or NO_CANDIDATES
            candidates = joined(known, more, self.cascade.spec.min_overlap)
            faces = fused(candidates, survey.glance, self.card)
            step = Step(CASCADE, self._count(faces, work.options), why)
            survey = survey.after(candidates, faces, step)
            work.allowance.stopwatch.lap("postprocess")
        return survey

    def _source(self, work: Work) -> Reduced:
        """Return the picture for the cascade: whole, unless the time is too short for that."""
        pixels = work.picture.width * work.picture.height
        decode_s = WHOLE_DECODE * work.allowance.stopwatch.timings().stages["decode"]
        whole_s = decode_s + work.costs.integral * pixels
        if work.view.factor > 1 and not work.allowance.affords(whole_s, SOURCE_SHARE, 1):
            return work.view
        whole = Reduced(work.picture.whole())
        work.allowance.stopwatch.lap("decode")
        return whole

    def _flights(self, work: Work, source: Reduced) -> Iterator[tuple[FlightCard, list[float]]]:
        """Yield flights and the scales of their levels to the picture, smallest first.

        Levels that are larger than the source, or whose faces are all under the caller's
        ``min_face``, are no part of them.
        """
        height, width = work.picture.height, work.picture.width
        least = (work.options.min_face or 0) * self.card.factor
        above = 0.0
        for flight in self.card.flights:
            scales = scales_of(height, width, flight.faces_px, self.card.factor)[::-1]
            levels = [
                scale
                for scale in scales
                if scale > above and scale * source.factor <= 1 and CELL / scale > least
            ]
            above = max(scales, default=above)
            if levels:
                yield flight, levels

    def _against(self, flight: FlightCard, faces: Sequence[Face]) -> str:
        """Return why a flight is not worth it, or nothing."""
        if sum_below(faces, SMALL * flight.faces_px) >= flight.promise:
            return ""
        return f"{promise(flight, faces)}, {flight.promise:g} would be needed"

    def _unaffordable(self, scales: Sequence[float], source: Reduced, work: Work) -> str:
        """Return why there is no time for a flight's first level, or nothing."""
        pixels = source.pixels.size
        level_px = pixels * (scales[0] * source.factor) ** 2
        if work.allowance.affords(
            work.costs.integral * pixels + work.costs.pnet * level_px, SEARCH_SHARE, 1
        ):
            return ""
        left_ms = max(0.0, 1000 * work.allowance.left_s())
        return f"{left_ms:.1f} ms of {work.options.budget_ms:g} are left, too few for the cascade"

    def _count(self, faces: Sequence[Face], options: DetectOptions) -> int:
        return len(self._answered(faces, options))

    def _answered(self, faces: Sequence[Face], options: DetectOptions) -> tuple[Face, ...]:
        """Return those of the faces, by falling confidence, that the caller asked for."""
        least = options.min_face or MIN_SIDE
        passed = self._passed(faces, options.min_score)
        return tuple(face for face in passed if _shorter(face) >= least)[: options.max_faces]

    def _passed(self, faces: Sequence[Face], min_score: float | None) -> Sequence[Face]:
        """Return those of the faces that score enough."""
        if min_score is not None:
            return [face for face in faces if face.score >= min_score]
        scores = np.array([face.score for face in faces], np.float32)  # (N,)
        passed = shown(scores, self.card.min_score, self.card.company)  # (N,)
        return [face for face, is_shown in zip(faces, passed, strict=True) if is_shown]


def _shorter(face: Face) -> float:
    x1, y1, x2, y2 = face.box
    return min(x2 - x1, y2 - y1)
