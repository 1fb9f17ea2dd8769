"""One picture on its way through the router: what is known of it, and what has been found."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from phiz.detectors.calibration import compute_sides
from phiz.detectors.fusion import CASCADE_MODEL, FirstPass, count_expected_faces
from phiz.detectors.pyramid_search import Candidates
from phiz.detectors.time_budget import StepCosts, TimeBudget
from phiz.faces import DetectOptions, Face, RoutingStep
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

    def with_skipped_step(self, reason: str) -> "RouterState":
        """Return the state as it is, with the reason why the cascade does no more."""
        step = RoutingStep(CASCADE_MODEL, 0, f"left out: {reason}", ran=False)
        return replace(self, route=(*self.route, step))


def describe_expected_gain(stage: PyramidStageConfig, faces: Sequence[Face]) -> str:
    """Return what speaks for a stage, in words."""
    target = f"faces of {stage.min_face_px:g} px"
    if not stage.min_expected_gain:
        return f"{target} and more"
    small = SMALL_FACE_RATIO * stage.min_face_px
    return (
        f"{target}: {count_expected_faces(faces, small):.1f} under {small:.0f} px are likely so far"
    )


def is_close_up(first_pass: FirstPass, config: RouterConfig) -> bool:
    """Return whether all that the first pass saw is so near that no more is to be expected."""
    is_counted = first_pass.scores >= config.close_up.min_score  # (G,)
    if not is_counted.any() or first_pass.scores.max() < config.close_up.min_best_score:
        return False
    sides = compute_sides(first_pass.boxes[is_counted])  # (G',)
    return bool((sides >= config.close_up.min_side_share * min(first_pass.size_wh)).all())
