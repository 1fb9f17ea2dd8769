"""The context and the state of one image in the router."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from phiz.detectors.calibration import compute_sides
from phiz.detectors.fusion import CASCADE_MODEL, FirstPass, count_expected_faces
from phiz.detectors.pyramid_search import Candidates
from phiz.detectors.time_budget import StepCosts, TimeBudget
from phiz.faces import DetectOptions, Face, RouteReason, RoutingStep
from phiz.image.lazy import LazyImage, ScaledImage
from phiz.models.router_config import PyramidStageConfig, RouterConfig

# Faces up to this multiple of a stage's minimum size predict whether the stage finds more.
SMALL_FACE_RATIO = 8 / 3


@dataclass(frozen=True, slots=True)
class RouterContext:
    """One image in the router.

    Attributes:
        image: The image.
        scaled: Its pixels at the scale of the first pass.
        options: The options of the caller.
        time_budget: The time budget of the caller.
        costs: The costs of steps.
    """

    image: LazyImage
    scaled: ScaledImage
    options: DetectOptions
    time_budget: TimeBudget
    costs: StepCosts


@dataclass(frozen=True, slots=True)
class RouterState:
    """The detections so far.

    Attributes:
        first_pass: The detections of the first pass.
        candidates: The candidates of the cascade, or None if it did not run.
        faces: The faces of both on one scale, by falling confidence.
        route: The steps so far.
    """

    first_pass: FirstPass
    candidates: Candidates | None
    faces: tuple[Face, ...]
    route: tuple[RoutingStep, ...]

    def with_step(
        self, candidates: Candidates | None, faces: tuple[Face, ...], step: RoutingStep
    ) -> "RouterState":
        """Return the state after one more step."""
        return RouterState(self.first_pass, candidates, faces, (*self.route, step))

    def with_skipped_step(self, reason: RouteReason, why: str) -> "RouterState":
        """Return the state with a last, skipped step of the cascade."""
        step = RoutingStep(CASCADE_MODEL, 0, reason, f"skipped {why}", ran=False)
        return replace(self, route=(*self.route, step))


def is_worth_searching(stage: PyramidStageConfig, faces: Sequence[Face]) -> bool:
    """Return whether enough small faces are expected for a stage of the pyramid."""
    small_px = SMALL_FACE_RATIO * stage.min_face_px
    return count_expected_faces(faces, small_px) >= stage.min_expected_gain


def explain_stage(stage: PyramidStageConfig, faces: Sequence[Face]) -> tuple[RouteReason, str]:
    """Return why a stage of the pyramid runs."""
    if stage.min_expected_gain:
        return (
            "more_faces_expected",
            f"searching for faces of {describe_expected_gain(stage, faces)}",
        )
    min_face_px = f"{stage.min_face_px:g} px"
    return (
        "not_close_up",
        f"the first pass found no close-up; searching for faces of {min_face_px} and larger",
    )


def describe_expected_gain(stage: PyramidStageConfig, faces: Sequence[Face]) -> str:
    """Return a stage's face size, and how many small faces are expected and needed."""
    small_px = SMALL_FACE_RATIO * stage.min_face_px
    expected = count_expected_faces(faces, small_px)
    return (
        f"{stage.min_face_px:g} px: {expected:.1f} faces below {small_px:.0f} px expected,"
        f" {stage.min_expected_gain:g} needed"
    )


def is_close_up(first_pass: FirstPass, config: RouterConfig) -> bool:
    """Return whether all faces of the first pass are close-ups, so that no more are expected."""
    is_counted = first_pass.scores >= config.close_up.min_score  # (G,)
    if not is_counted.any() or first_pass.scores.max() < config.close_up.min_best_score:
        return False
    sides = compute_sides(first_pass.boxes[is_counted])  # (G',)
    return bool((sides >= config.close_up.min_side_share * min(first_pass.size_wh)).all())
