import numpy as np
import pytest
from numpy.typing import NDArray

from phiz.detectors.pose import HEAD_MM, compute_angles, with_poses
from phiz.faces import Face, Point

FIVE = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
SIX = ("left_eye", "right_eye", "nose", "mouth", "left_ear", "right_ear")
DISTANCE_MM = 700.0
FOCAL_PX = 800.0
EYES_MM = 62.0

Floats = NDArray[np.float64]


def render(head: Floats, degrees: Floats) -> Floats:
    """Return the landmarks (K, 2) of a head that a camera sees, in pixels."""
    yaw, pitch, roll = np.radians(degrees)
    about_vertical = np.array(
        [[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]]
    )
    about_horizontal = np.array(
        [[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]]
    )
    in_image = np.array(
        [[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]]
    )
    seen = head @ (in_image @ about_horizontal @ about_vertical).T  # (K, 3)
    points: Floats = 300 + FOCAL_PX * seen[:, :2] / (DISTANCE_MM - seen[:, 2:])
    return points


@pytest.mark.parametrize("names", [FIVE, SIX], ids=["five", "six"])
@pytest.mark.parametrize(
    "degrees",
    [(0, 0, 0), (30, 0, 0), (-30, 0, 0), (0, 20, 0), (0, -20, 0), (0, 0, 35), (20, -15, 170)],
    ids=str,
)
def test_pose_of_the_mean_head(names: tuple[str, ...], degrees: tuple[float, float, float]) -> None:
    head = np.array([HEAD_MM[name] for name in names], float)
    found = compute_angles(render(head, np.array(degrees))[None], head)[0]
    error = (found - degrees + 180) % 360 - 180
    assert np.abs(error).max() < 6  # the camera is near


@pytest.mark.parametrize(("names", "limits"), [(FIVE, (3.5, 4.2, 1.5)), (SIX, (2.3, 2.5, 1.4))])
def test_error_for_other_heads_is_as_documented(
    names: tuple[str, ...], limits: tuple[float, float, float]
) -> None:
    random = np.random.default_rng(0)
    mean = np.array([HEAD_MM[name] for name in names], float)
    degrees = random.uniform((-60, -35, -40), (60, 35, 40), (400, 3))
    points = []
    for each in degrees:
        head = mean * random.normal(1, 0.06, 3) + random.normal(0, 2, mean.shape)
        noise = random.normal(0, 0.02 * EYES_MM * FOCAL_PX / DISTANCE_MM, (len(names), 2))
        points.append(render(head, each) + noise)
    errors = np.abs((compute_angles(np.array(points), mean) - degrees + 180) % 360 - 180)
    assert (np.median(errors, axis=0) < limits).all()


def test_faces_of_different_models_keep_their_order() -> None:
    def build_face(names: tuple[str, ...], yaw: float) -> Face:
        head = np.array([HEAD_MM[name] for name in names], float)
        points = render(head, np.array([yaw, 0, 0]))
        landmarks: dict[str, Point] = {
            name: (x, y) for name, (x, y) in zip(names, points.tolist(), strict=True)
        }
        return Face((0, 0, 9, 9), 0.9, landmarks, "x")

    faces = [build_face(FIVE, 30), build_face(SIX, -30), build_face(FIVE, 0)]
    posed = with_poses(faces)
    assert [face.landmarks for face in posed] == [face.landmarks for face in faces]
    yaws = [face.pose.yaw for face in posed if face.pose is not None]
    assert yaws == pytest.approx([30, -30, 0], abs=4)


def test_landmarks_in_one_place_have_a_pose() -> None:
    face = Face((0, 0, 9, 9), 0.9, dict.fromkeys(FIVE, (5.0, 5.0)), "x")
    (posed,) = with_poses([face])
    assert posed.pose is not None
    assert np.isfinite([posed.pose.yaw, posed.pose.pitch, posed.pose.roll]).all()


def test_no_faces_have_no_poses() -> None:
    assert with_poses(()) == ()
