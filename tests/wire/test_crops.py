import base64
import email
import email.policy
import io
import json
import stat
import zipfile
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from phiz.editing.crop import FaceCrop
from phiz.editing.encode import Picture
from phiz.wire.crops import list_names, pack_crops

CROP = FaceCrop(
    Pillow.new("RGB", (48, 48)), np.array([[0.5, 0.1, -3.25], [-0.1, 0.5, 1 / 3]]), "eyes"
)
PICTURES = [Picture(b"\xff\xd8first\r\n", "image/jpeg"), Picture(b"\xff\xd8second", "image/jpeg")]
DESCRIPTION = {
    "media_type": "image/jpeg",
    "size": 48,
    "align": "eyes",
    "transform": [[0.5, 0.1, -3.25], [-0.1, 0.5, 0.333333]],
}


def build_answer() -> dict[str, Any]:
    return {"model": "front", "faces": [{"score": 0.9}, {"score": 0.8}]}


def build_document(*entries: dict[str, str]) -> dict[str, Any]:
    answer = build_answer()
    for face, entry in zip(answer["faces"], entries, strict=True):
        face["crop"] = {**DESCRIPTION, **entry}
    return answer


def test_json_has_the_images_as_base64() -> None:
    body, media_type = pack_crops(build_answer(), [CROP] * 2, PICTURES, "json")
    images = [base64.b64encode(picture.content).decode() for picture in PICTURES]
    assert media_type == "application/json"
    assert json.loads(body) == build_document(*({"image": image} for image in images))


def test_an_archive_has_a_document_and_the_files_that_it_names() -> None:
    body, media_type = pack_crops(build_answer(), [CROP] * 2, PICTURES, "zip")
    assert media_type == "application/zip"
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["faces.json", "face-1.jpg", "face-2.jpg"]
        document = json.loads(archive.read("faces.json"))
        assert document == build_document({"file": "face-1.jpg"}, {"file": "face-2.jpg"})
        assert archive.read("face-1.jpg") == PICTURES[0].content
        modes = {stat.filemode(entry.external_attr >> 16) for entry in archive.infolist()}
        assert modes == {"-rw-r--r--"}  # so that others may read what unzip unpacks
    again, _ = pack_crops(build_answer(), [CROP] * 2, PICTURES, "zip")
    assert again == body


def test_a_form_has_a_document_and_the_files_that_it_names() -> None:
    body, media_type = pack_crops(build_answer(), [CROP] * 2, PICTURES, "multipart")
    head = f"Content-Type: {media_type}\r\n\r\n".encode()
    message = email.message_from_bytes(head + body, policy=email.policy.HTTP)
    assert message.get_content_type() == "multipart/form-data"
    document, *files = message.iter_parts()
    assert json.loads(document.get_content()) == build_document(
        {"file": "face-1.jpg"}, {"file": "face-2.jpg"}
    )
    assert [part.get_filename() for part in files] == ["face-1.jpg", "face-2.jpg"]
    assert [part.get_content_type() for part in files] == ["image/jpeg"] * 2
    for picture in PICTURES:
        assert b"\r\n\r\n" + picture.content + b"\r\n--" in body


@pytest.mark.parametrize("crop_format", ["zip", "multipart", "json"])
def test_no_face_is_no_file(crop_format: Any) -> None:
    body, _ = pack_crops({"faces": []}, [], [], crop_format)
    assert b'{"faces":[]}' in body
    assert b"face-1" not in body


def test_names_sort_as_the_faces_do() -> None:
    names = list_names([Picture(b"", "image/png")] * 12)
    assert names == sorted(names)
    assert (names[0], names[-1]) == ("face-01.png", "face-12.png")
