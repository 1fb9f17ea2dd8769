"""One picture on its way through the router: what is known of it, and what has been found."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from phiz.detectors.calibration import compute_sides
from phiz.detectors.fusion import CASCADE_MODEL, FirstPass, count_expected_faces
from phiz.detectors.pyramid_search import Candidates
from phiz.detectors.time_budget import StepCosts, TimeBudget
from phiz.faces import DetectOptions, Face, RouteReason, RoutingStep
from phiz.image.lazy import LazyImage, ScaledImage
from phiz.models.router_config import PyramidStageConfig, RouterConfig

# Faces of up to so many times a stage's smallest tell whether there are more to find: those it
# would find itself, and as many again above.
SMALL_FACE_RATIO = 8 / 3


@dataclass(frozen=True, slots=True)
class RouterContext:
    """One picture on its way.

    Attributes:
        image: What is to be searched.
        scaled: Its pixels at the scale of the first pass.
        options: The caller's.
        time_budget: The caller's time.
        costs: Of what it may be spent on.
    """

    image: LazyImage
    scaled: ScaledImage
    options: DetectOptions
    time_budget: TimeBudget
    costs: StepCosts


@dataclass(frozen=True, slots=True)
class RouterState:
    """All that was found on the way.

    Attributes:
        first_pass: What the first look saw.
        candidates: What the cascade found, None where it did not run.
        faces: Both on one scale, by falling confidence.
        route: The steps so far.
    """

    first_pass: FirstPass
    candidates: Candidates | None
    faces: tuple[Face, ...]
    route: tuple[RoutingStep, ...]

    def with_step(
        self, candidates: Candidates | None, faces: tuple[Face, ...], step: RoutingStep
    ) -> "RouterState":
        """Return the state one step later."""
        return RouterState(self.first_pass, candidates, faces, (*self.route, step))

    def with_skipped_step(self, reason: RouteReason, why: str) -> "RouterState":
        """Return the state with a last step that the cascade skipped, and the reason."""
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
    """Return whether all that the first pass saw is so near that no more is to be expected."""
    is_counted = first_pass.scores >= config.close_up.min_score  # (G,)
    if not is_counted.any() or first_pass.scores.max() < config.close_up.min_best_score:
        return False
    sides = compute_sides(first_pass.boxes[is_counted])  # (G',)
    return bool((sides >= config.close_up.min_side_share * min(first_pass.size_wh)).all())
