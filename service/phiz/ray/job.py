"""Detection in many images, and their edits, on a cluster of Ray."""

import logging
import os
import posixpath
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pyarrow as pa
import ray
from ray.data import ActorPoolStrategy

from phiz.errors import PhizError, WorkerFaultError, WorkError
from phiz.faces import DetectOptions
from phiz.ray.parquet import build_error_row, build_result_row, read_finished_paths, write_part
from phiz.ray.storage import Storage, StoragePath, write_output
from phiz.timings import Stopwatch
from phiz.wire.edits import ImageEdit

if TYPE_CHECKING:
    from phiz.engine import Engine

MAX_PART_IMAGES: Final = 500  # these are lost with a machine
MIN_PARTS_PER_CPU: Final = 4  # so that all processors have work until the end
UNREADABLE_CODE: Final = "unreadable_file"
FAULT_DETAIL: Final = "the detection failed; the Ray log of the worker has the details"

_log = logging.getLogger(__name__)


class JobCounts(NamedTuple):
    """The numbers of images with a row, of failed ones among them, and of faces."""

    images: int = 0
    failed: int = 0
    faces: int = 0


@dataclass(frozen=True, slots=True)
class BulkJob:
    """The job of all images.

    Attributes:
        storage: The storage of the images.
        output_folder: The folder of the parts.
        model: Name of the detector.
        options: Options of the detector.
        load_engine: Loads the engine on the machine of an actor.
        edit: What is made of each image and its faces, beside its row; None for nothing.
        root: Folder of the images, which the names of outputs are relative to.
    """

    storage: Storage
    output_folder: StoragePath
    model: str
    options: DetectOptions
    load_engine: "Callable[[], Engine]"
    edit: ImageEdit | None = None
    root: str = ""


class DetectionActor:
    """Detects faces part by part; an actor of Ray with one processor."""

    def __init__(self, job: BulkJob) -> None:
        # onnxruntime sends telemetry unless this is set before it is loaded.
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        self._job = job
        self._engine: Engine | None = None

    def __call__(self, part: pa.Table) -> pa.Table:
        """Write the rows of images, and return a row with their counts, or with the problem.

        Ray would retry after an exception, and report it with pages of traces.
        """
        problem, counts = None, JobCounts()
        try:
            counts = self._detect_part(part["path"].to_pylist())
        except (PhizError, OSError) as error:
            problem = str(error)
        columns = {name: [count] for name, count in counts._asdict().items()}
        return pa.table({"problem": pa.array([problem], pa.string()), **columns})

    def _detect_part(self, paths: Sequence[str]) -> JobCounts:
        if self._engine is None:
            self._engine = self._job.load_engine()
        rows = [self._detect_row(self._engine, path) for path in paths]
        write_part(self._job.output_folder, rows)
        failed = sum(row["error"] is not None for row in rows)
        faces = sum(len(row["faces"] or ()) for row in rows)
        return JobCounts(len(rows), failed, faces)

    def _detect_row(self, engine: "Engine", path: str) -> dict[str, Any]:
        job = self._job
        address = job.storage.to_address(path)
        try:
            image_bytes = job.storage.read(path, engine.limits.max_bytes)
            result = engine.detect(image_bytes, job.model, job.options, Stopwatch())
            if job.edit is not None:
                name = posixpath.relpath(path, job.root)
                for file in job.edit.edit(name, image_bytes, result, engine.limits):
                    write_output(job.output_folder, *file)
        except PhizError as error:
            return build_error_row(address, job.model, error.code, str(error))
        except OSError as error:
            detail = error.strerror or str(error)
            return build_error_row(address, job.model, UNREADABLE_CODE, detail)
        except Exception:  # noqa: BLE001  one image must not end the job
            _log.exception("the detection of one image failed")
            return build_error_row(address, job.model, WorkerFaultError.code, FAULT_DETAIL)
        return build_result_row(address, result)


def run_job(job: BulkJob, paths: Sequence[str]) -> Iterator[JobCounts]:
    """Detect faces in the images without a row, in the connected cluster.

    Args:
        job: The job.
        paths: The images in the storage of the job.

    Yields:
        The total counts after each part.

    Raises:
        OSError: The folder cannot be created or read.
        OptionError: An existing part is damaged.
        WorkError: A machine lacks the models or cannot write.
    """
    finished = read_finished_paths(job.output_folder)
    left = [path for path in paths if job.storage.to_address(path) not in finished]
    parts = split_paths(left, int(ray.cluster_resources().get("CPU", 1)))
    if not parts:
        return
    counts = ray.data.from_arrow([pa.table({"path": part}) for part in parts]).map_batches(
        DetectionActor,
        batch_size=None,  # a part is a block
        batch_format="pyarrow",
        compute=ActorPoolStrategy(min_size=1, max_size=len(parts)),
        num_cpus=1,
        fn_constructor_args=(job,),
    )
    total = JobCounts()
    for row in counts.iter_rows():
        if row["problem"] is not None:
            raise WorkError(row["problem"])
        total = JobCounts(*(so_far + row[name] for name, so_far in total._asdict().items()))
        yield total


def split_paths(paths: Sequence[str], cpus: int) -> list[list[str]]:
    """Return paths in parts, in their order."""
    size = min(MAX_PART_IMAGES, max(1, len(paths) // (MIN_PARTS_PER_CPU * cpus)))
    return [list(paths[start : start + size]) for start in range(0, len(paths), size)]
