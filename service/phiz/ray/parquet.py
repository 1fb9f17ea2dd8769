"""Results as Parquet files: one row for each image, whether or not it could be read.

A part is written under another name first, so that ``part-….parquet`` is always complete.
"""

import hashlib
import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any, Final

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyarrow.fs import FileSelector

from phiz.errors import OptionError
from phiz.faces import DetectionResult
from phiz.ray.storage import StoragePath
from phiz.wire.encode import encode_result


def _build_numbers(*names: str) -> pa.StructType:
    return pa.struct([(name, pa.float64()) for name in names])


_LANDMARK_NAMES: Final = (
    *("left_eye", "right_eye", "nose", "mouth"),
    *("mouth_left", "mouth_right", "left_ear", "right_ear"),
)
_FACE: Final = pa.struct(
    [
        ("box", _build_numbers("x", "y", "width", "height")),
        ("score", pa.float64()),
        ("landmarks", pa.struct([(name, _build_numbers("x", "y")) for name in _LANDMARK_NAMES])),
        ("roll", pa.float64()),
        ("quality", _build_numbers("eye_distance", "frontalness", "sharpness")),
        ("pose", _build_numbers("yaw", "pitch", "roll")),
        ("model", pa.string()),
    ]
)
SCHEMA: Final = pa.schema(
    [
        pa.field("path", pa.string(), nullable=False),
        pa.field("model", pa.string(), nullable=False),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("faces", pa.list_(_FACE)),
        ("error", pa.struct([("code", pa.string()), ("detail", pa.string())])),
    ]
)
"""The schema of every part: names and numbers of the wire format, null where absent."""

_UNFINISHED_PREFIX: Final = "_"  # readers of Parquet folders skip files with this prefix
_PART_NAME_DIGITS: Final = 16
_PART_NAME: Final = re.compile(rf"part-[0-9a-f]{{{_PART_NAME_DIGITS}}}\.parquet")


def build_result_row(path: str, result: DetectionResult) -> dict[str, Any]:
    """Return the row of a result."""
    answer = encode_result(result)
    return {
        "path": path,
        "model": answer["model"],
        **answer["image"],
        "faces": answer["faces"],
        "error": None,
    }


def build_error_row(path: str, model: str, code: str, detail: str) -> dict[str, Any]:
    """Return the row of an image that could not be read."""
    nothing = dict.fromkeys(("width", "height", "faces"))
    error = {"code": code, "detail": detail}
    return {"path": path, "model": model, **nothing, "error": error}


def write_part(folder: StoragePath, rows: Sequence[dict[str, Any]]) -> str:
    """Write rows to a file of a folder atomically, and return its name.

    The name is a hash of the paths, so that a repeated part replaces itself.

    Raises:
        OSError: It cannot be written.
    """
    paths = "\n".join(row["path"] for row in rows)
    digest = hashlib.sha256(paths.encode("utf-8", "surrogateescape")).hexdigest()
    name = f"part-{digest[:_PART_NAME_DIGITS]}.parquet"
    unfinished = f"{folder.path}/{_UNFINISHED_PREFIX}{name}"
    file_system = folder.storage.file_system
    with file_system.open_output_stream(unfinished) as stream:
        pq.write_table(pa.Table.from_pylist(list(rows), SCHEMA), stream, compression="zstd")
    file_system.move(unfinished, f"{folder.path}/{name}")
    return name


def read_finished_paths(folder: StoragePath) -> set[str]:
    """Return the images that have a row already; the folder is created if necessary.

    Other files of the folder are ignored.

    Raises:
        OSError: The folder cannot be created or read.
        OptionError: A file with the name of a part is not one.
    """
    file_system = folder.storage.file_system
    file_system.create_dir(folder.path, recursive=True)
    parts = [
        info.path
        for info in file_system.get_file_info(FileSelector(folder.path))
        if info.is_file and _PART_NAME.fullmatch(PurePosixPath(info.path).name)
    ]
    try:
        dataset = ds.dataset(parts, SCHEMA, format="parquet", filesystem=file_system)
        return set(dataset.to_table(columns=["path"])["path"].to_pylist())
    except pa.ArrowException as error:
        address = folder.storage.to_address(folder.path)
        raise OptionError(f"cannot read a part in {address}: {error}") from error
