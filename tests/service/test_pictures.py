"""Images as answers of a real service, which are larger than its other answers."""

import base64
import io
import json
import zipfile
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image, ImageCms

from tests.image.corpus.heif_file import encode_heic

from .running import GROUP, Running

pytestmark = pytest.mark.integration


def post(service: Running, path: str, accept: str, image_bytes: bytes) -> httpx.Response:
    response = httpx.post(
        f"{service.url}{path}",
        content=image_bytes,
        headers={"accept": accept, "content-type": "image/png"},
        timeout=60,
    )
    assert response.status_code == 200, response.text
    return response


def test_an_annotated_image_arrives_whole(service: Running) -> None:
    response = post(service, "/detect", "image/png", GROUP.read_bytes())
    assert len(response.content) > 1 << 18  # more than is sent at once
    image = Image.open(io.BytesIO(response.content))
    image.load()
    assert (image.size, response.headers["phiz-faces"]) == ((640, 480), "4")


def list_ways(image_bytes: bytes) -> list[dict[str, Any]]:
    """The arguments of a request in each way to send an image, without options."""
    return [
        {"files": {"image": image_bytes}},
        {"files": {"file": image_bytes}},
        {"content": image_bytes},  # of no content type
        {"json": {"image": base64.b64encode(image_bytes).decode()}},
    ]


@pytest.mark.parametrize("path", ["/detect?format=png", "/crops?format=multipart", "/blur"])
@pytest.mark.parametrize("way", range(4))
def test_each_way_to_send_an_image_answers_the_same_images(
    service: Running, path: str, way: int
) -> None:
    usual = post(service, path, "*/*", GROUP.read_bytes())
    response = httpx.post(f"{service.url}{path}", **list_ways(GROUP.read_bytes())[way])
    assert response.status_code == 200
    assert response.headers["phiz-faces"] == usual.headers["phiz-faces"]
    assert len(response.content) == pytest.approx(len(usual.content), abs=300)
    if path != "/crops?format=multipart":  # whose boundary and times differ
        assert response.content == usual.content


def test_options_may_be_beside_the_image_in_json(service: Running) -> None:
    text = base64.b64encode(GROUP.read_bytes()).decode()
    options = {"size": 64, "align": "eyes", "format": "json", "max_faces": 2}
    response = httpx.post(f"{service.url}/crops", json={"image": text, **options})
    assert response.content.endswith(b"}\n")
    crops = [face["crop"] for face in response.json()["faces"]]
    assert [(crop["size"], crop["align"]) for crop in crops] == [(64, "eyes")] * 2
    covered = httpx.post(f"{service.url}/blur", json={"image": text, "kind": "solid"})
    assert covered.content == post(service, "/blur?kind=solid", "*/*", GROUP.read_bytes()).content


def test_a_heic_is_answered_as_another_format_with_its_profile(service: Running) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    with Image.open(GROUP) as group:
        heic = encode_heic(group.convert("RGB"), icc_profile=profile)
    for path, kind in (
        ("/blur", "PNG"),
        ("/blur?format=jpeg", "JPEG"),
        ("/detect?format=webp", "WEBP"),
    ):
        response = post(service, path, "*/*", heic)
        assert int(response.headers["phiz-faces"]) >= 4
        image = Image.open(io.BytesIO(response.content))
        assert (image.format, image.size) == (kind, (640, 480))
        assert image.info["icc_profile"] == profile
    archive = post(service, "/crops?format=json", "*/*", heic)
    first, *_ = archive.json()["faces"]
    crop = Image.open(io.BytesIO(base64.b64decode(first["crop"]["image"])))
    assert (crop.size, crop.info["icc_profile"]) == ((112, 112), profile)


def test_covered_faces_are_not_found_again(service: Running) -> None:
    covered = post(service, "/blur", "*/*", GROUP.read_bytes())
    assert int(covered.headers["phiz-faces"]) >= 4
    faces = post(service, "/detect", "*/*", covered.content).json()["faces"]
    assert [face for face in faces if face["score"] >= 0.5] == []


def test_the_eyes_of_crops_are_level(service: Running) -> None:
    archive = post(service, "/crops?align=eyes&size=160&encoding=png", "*/*", GROUP.read_bytes())
    with zipfile.ZipFile(io.BytesIO(archive.content)) as files:
        faces = json.loads(files.read("faces.json"))["faces"]
        crops = [files.read(face["crop"]["file"]) for face in faces]
    assert len(crops) == 4
    for crop in crops:
        # A second detection in the crop; some of its error is that of the landmarks.
        (face,) = post(service, "/detect?max_faces=1", "*/*", crop).json()["faces"]
        left, right = (
            np.array([face["landmarks"][name][axis] for axis in "xy"])
            for name in ("left_eye", "right_eye")
        )
        slope = np.degrees(np.arctan2(right[1] - left[1], right[0] - left[0]))
        assert abs(slope) <= 3
        assert (left[1] + right[1]) / 2 == pytest.approx(0.461 * 160, abs=0.03 * 160)
        assert right[0] - left[0] == pytest.approx(0.316 * 160, abs=0.03 * 160)
