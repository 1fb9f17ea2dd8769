from pathlib import Path

import pytest

from phiz.errors import ImageBytesError, OptionError
from phiz.ray.storage import StoragePath, list_images, parse_address, redact_address

SUFFIXES = (".jpg", ".png")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pictures and two other files."""
    (tmp_path / "b" / "deep").mkdir(parents=True)
    for name in ("b/deep/2.jpg", "b/1.PNG", "a.jpg", "notes.txt", "png"):
        (tmp_path / name).write_bytes(b"12345")
    return tmp_path


def names(paths: list[str], folder: Path) -> list[str]:
    return [str(Path(path).relative_to(folder)) for path in paths]


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_pictures_of_a_folder_are_sorted(folder: Path, scheme: str) -> None:
    files, paths = list_images(f"{scheme}{folder}", SUFFIXES)
    assert names(paths, folder) == ["a.jpg", "b/1.PNG", "b/deep/2.jpg"]
    assert files.to_address(paths[0]) == f"{scheme}{folder}/a.jpg"


def test_a_file_that_is_named_is_taken_whatever_its_name(folder: Path) -> None:
    files, paths = list_images(f"file://{folder}/notes.txt", SUFFIXES)
    assert names(paths, folder) == ["notes.txt"]
    assert files.read(paths[0], 5) == b"12345"


def test_a_plain_path_is_that_of_the_working_directory(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    place = parse_address("b")
    assert place == StoragePath(place.storage, str(folder / "b"))
    assert place.storage.to_address(place.path) == str(folder / "b")


def test_no_more_than_the_limit_is_read(folder: Path) -> None:
    files = parse_address("").storage
    path = str(folder / "a.jpg")
    assert files.read(path, 6) == b"12345"
    with pytest.raises(ImageBytesError, match="exceeds the limit of 4 bytes"):
        files.read(path, 4)


def test_a_file_that_is_not_there(folder: Path) -> None:
    with pytest.raises(FileNotFoundError):
        parse_address("").storage.read(str(folder / "c.jpg"), 4)


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        (
            "nowhere://bucket/a",
            "nowhere://bucket/a is not an address that can be read or written: .*nowhere",
        ),
        ("nowhere://key:secret@bucket/a", "nowhere://bucket/a is not an address"),
        ("nowhere://bucket/a?key=secret", "nowhere://bucket/a is not an address"),
        ("nowhere://key:secret@bucket/a b", "nowhere://bucket/a b is not an address"),
        ("s3://key:secret@bucket/a?regio=b", "s3://bucket/a is not an address"),
        ("file:///no/such/folder", "cannot list file:///no/such/folder"),
    ],
)
def test_an_address_that_cannot_be_used(address: str, problem: str) -> None:
    with pytest.raises(OptionError, match=f"^{problem}") as raised:
        list_images(address, SUFFIXES)
    assert "secret" not in str(raised.value)


def test_a_folder_without_pictures(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"no images at file://.*; looked for .* \.jpg \.png"):
        list_images(f"file://{tmp_path}", SUFFIXES)


def test_a_folder_that_cannot_be_read(folder: Path) -> None:
    loop = folder / "loop"
    loop.symlink_to(loop)
    with pytest.raises(OptionError, match="cannot list"):
        list_images(f"file://{loop}", SUFFIXES)


@pytest.mark.parametrize(
    ("address", "plain"),
    [
        ("s3://bucket/a", "s3://bucket/a"),
        ("s3://key:secret@bucket/a?region=b", "s3://bucket/a"),
        ("/of/mine@home/a", "/of/mine@home/a"),
        ("what/is?it", "what/is?it"),
    ],
)
def test_secrets_of_an_address_are_redacted(address: str, plain: str) -> None:
    assert redact_address(address) == plain
