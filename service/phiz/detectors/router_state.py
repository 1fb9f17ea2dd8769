"""One picture on its way through the router: what is known of it, and what has been found."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from phiz.detectors.calibration import sides_of
from phiz.detectors.fusion import CASCADE, Glance, sum_below
from phiz.detectors.pyramid_search import Candidates
from phiz.detectors.time_budget import Allowance, Costs
from phiz.faces import DetectOptions, Face, Step
from phiz.image.lazy import Picture, Reduced
from phiz.models.router_config import FlightCard, RouterCard

# Faces of up to so many times a flight's smallest tell whether there are more to find: those it
# would find itself, and as many again above.
SMALL = 8 / 3


@dataclass(frozen=True, slots=True)
class Work:
    """One picture on its way.

    Attributes:
        picture: What is to be searched.
        view: Its pixels at the scale of the glance.
        options: The caller's.
        allowance: The caller's time.
        costs: Of what it may be spent on.
    """

    picture: Picture
    view: Reduced
    options: DetectOptions
    allowance: Allowance
    costs: Costs


@dataclass(frozen=True, slots=True)
class Survey:
    """All that was found on the way.

    Attributes:
        glance: What the first look saw.
        candidates: What the cascade found, None where it did not run.
        faces: Both on one scale, by falling confidence.
        route: The steps so far.
    """

    glance: Glance
    candidates: Candidates | None
    faces: tuple[Face, ...]
    route: tuple[Step, ...]

    def after(self, candidates: Candidates | None, faces: tuple[Face, ...], step: Step) -> "Survey":
        """Return the survey one step later."""
        return Survey(self.glance, candidates, faces, (*self.route, step))

    def without(self, reason: str) -> "Survey":
        """Return the survey as it is, with the reason why the cascade does no more."""
        step = Step(CASCADE, 0, f"left out: {reason}", ran=False)
        return replace(self, route=(*self.route, step))


def promise(flight: FlightCard, faces: Sequence[Face]) -> str:
    """Return what speaks for a flight, in words."""
    wanted = f"faces of {flight.faces_px:g} px"
    if not flight.promise:
        return f"{wanted} and more"
    small = SMALL * flight.faces_px
    return f"{wanted}: {sum_below(faces, small):.1f} under {small:.0f} px are likely so far"


def is_near(glance: Glance, card: RouterCard) -> bool:
    """Return whether all that a glance saw is so near that no more is to be expected."""
    counted = glance.scores >= card.near.hint  # (G,)
    if not counted.any() or glance.scores.max() < card.near.best:
        return False
    sides = sides_of(glance.boxes[counted])  # (G',)
    return bool((sides >= card.near.share * min(glance.size_wh)).all())
