"""The answers as Parquet files: one row for each picture, whether or not it could be read.

A part is written under another name first, so that what is called ``part-….parquet`` is whole.
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

from phiz.engine import DetectionResult
from phiz.errors import OptionError
from phiz.ray.storage import StoragePath
from phiz.wire.encode import encode_result

_POINT: Final = pa.struct([("x", pa.float64()), ("y", pa.float64())])
_LANDMARK_NAMES: Final = (
    *("left_eye", "right_eye", "nose", "mouth"),
    *("mouth_left", "mouth_right", "left_ear", "right_ear"),
)
_FACE: Final = pa.struct(
    [
        ("box", pa.struct([(name, pa.float64()) for name in ("x", "y", "width", "height")])),
        ("score", pa.float64()),
        ("landmarks", pa.struct([(name, _POINT) for name in _LANDMARK_NAMES])),
        ("roll", pa.float64()),
        (
            "quality",
            pa.struct(
                [(name, pa.float64()) for name in ("eye_distance", "frontalness", "sharpness")]
            ),
        ),
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
"""Of every part; names and numbers are those of the wire format, and what is not there is null."""

_UNFINISHED_PREFIX: Final = (
    "_"  # who reads a folder of Parquet files passes over names that begin so
)
_PART_NAME_DIGITS: Final = 16
_PART_NAME: Final = re.compile(rf"part-[0-9a-f]{{{_PART_NAME_DIGITS}}}\.parquet")


def build_result_row(path: str, result: DetectionResult) -> dict[str, Any]:
    """Return the row of a picture that was looked at."""
    answer = encode_result(result)
    return {
        "path": path,
        "model": answer["model"],
        **answer["image"],
        "faces": answer["faces"],
        "error": None,
    }


def build_error_row(path: str, model: str, code: str, detail: str) -> dict[str, Any]:
    """Return the row of a picture that could not be read."""
    nothing = dict.fromkeys(("width", "height", "faces"))
    error = {"code": code, "detail": detail}
    return {"path": path, "model": model, **nothing, "error": error}


def write_part(folder: StoragePath, rows: Sequence[dict[str, Any]]) -> str:
    """Write rows into a file of a folder, wholly or not at all, and return its name.

    The name follows from the pictures: those of a part that is done twice replace each other.

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
    """Return the pictures that have a row already, for which the folder is made if need be.

    Whatever else is in the folder is passed over.

    Raises:
        OSError: It cannot be made or read.
        OptionError: What has the name of a part is none.
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
