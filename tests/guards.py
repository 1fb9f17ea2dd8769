"""Removes guards one at a time, and reports whether a test notices: ``python -m tests.guards``.

::

    python -m tests.guards              # all of them, about half an hour
    python -m tests.guards tiff gif     # those whose file or text has one of the words

A guard is a line that keeps a hostile request from costing too much. Each is replaced in the
working tree, its test file runs, and the file is restored. The exit status is 1 if a test file
passes without a guard, and 2 if one fails with all of them.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PASSED = "NOT NOTICED"
TIMEOUT_S = 300  # without some guards a test never ends, which notices it too


@dataclass(frozen=True, slots=True)
class Guard:
    """A text of a module, and what replaces it so that it has no effect.

    ``tests`` is the file that must fail then.
    """

    module: str
    text: str
    replacement: str
    tests: str

    @property
    def path(self) -> Path:
        """The file of the module."""
        return ROOT / "service" / "phiz" / self.module


DECODE = "image/test_decode.py"
POOL = "workers/test_pool.py"
QUEUE = "workers/test_queue.py"
STDERR = "workers/test_stderr.py"
EARLY = "service/test_early_refusals.py"
METER = "api/server/test_request_meter.py"
UNREAD = "api/server/test_unread.py"
WORKLOAD = "wire/test_workload.py"
GUARDS = (
    Guard("image/pillow.py", "check_size(read_gif_size(image_bytes), max_pixels)", "pass", DECODE),
    Guard("image/pillow.py", "        check_size(image.size, max_pixels)\n", "", DECODE),
    Guard("image/pillow.py", "    image._decoder = None", "    pass", DECODE),
    Guard("image/decode.py", "    check_parts(image_format, image_bytes)\n", "", DECODE),
    Guard("image/decode.py", "    check_jpeg(header)\n", "", DECODE),
    Guard("image/decode.py", "    check_tiff(page, max_pixels)\n", "", DECODE),
    Guard("image/decode.py", "len(image_bytes) > limits.max_bytes", "False", DECODE),
    Guard("image/decode.py", "        check_scaled_size(", "        bool(", DECODE),
    Guard("image/limits.py", "header.segment_count > MAX_JPEG_SEGMENTS", "False", DECODE),
    Guard("image/limits.py", "        check_size(frame.size_wh, _MAX_SCAN_PIXELS)\n", "", DECODE),
    Guard("image/limits.py", "check_scans(header.lean_bytes, frame.size_wh)", "pass", DECODE),
    Guard("image/limits.py", "min(_MAX_SCANS, max(", "(max(", DECODE),
    Guard("image/limits.py", "    check_size(tile_wh, max_pixels)\n", "", DECODE),
    Guard("image/limits.py", "max(counts, default=0) > _MAX_TIFF_VALUES", "False", DECODE),
    Guard("image/limits.py", " and needed_bytes <= _BYTES_PER_PIXEL * max_pixels", "", DECODE),
    Guard("image/tiff.py", "range(_MAX_PAGES)", "iter(int, 1)", "image/test_tiff.py"),
    Guard("image/tiff.py", "min(count, _MAX_TAGS)", "count", "image/test_tiff.py"),
    Guard("image/formats.py", ", _MAX_BRANDS_BYTES, len(", ", len(", "image/test_formats.py"),
    Guard(
        "image/orientation.py", "return pixels[", "return 1 * pixels[", "image/test_orientation.py"
    ),
    Guard(
        "image/integral.py",
        "columns = min(width, BLOCK_PIXELS)\n    rows = BLOCK_PIXELS // columns",
        "columns, rows = width, max(1, BLOCK_PIXELS // width)",
        "image/test_integral.py",
    ),
    Guard("detectors/mtcnn.py", "if not scales:", "if False:", "detectors/test_mtcnn.py"),
    Guard(
        "detectors/mtcnn.py",
        'kind="stable")[:MAX_PROPOSALS]',
        'kind="stable")',
        "detectors/test_mtcnn.py",
    ),
    Guard("detectors/mtcnn.py", "[:MAX_RNET_CROPS]", "", "detectors/test_mtcnn.py"),
    Guard("detectors/mtcnn.py", "passed[:MAX_ONET_CROPS]", "passed", "detectors/test_mtcnn.py"),
    Guard("worker.py", "math.prod(size_wh) <= MAX_BATCHABLE_PIXELS", "True", "test_worker.py"),
    Guard("wire/workload.py", "pixels if pixels <= MOST_PIXELS else 0", "pixels", WORKLOAD),
    Guard("timings.py", "        checkpoint()\n", "", "test_cancellation.py"),
    Guard("image/pillow.py", "        checkpoint()\n", "", "test_cancellation.py"),
    Guard("image/integral.py", "        checkpoint()\n", "", "test_cancellation.py"),
    Guard("image/jpeg_header.py", ", at, at + _MAX_PASSED_BYTES)", ", at)", "image/test_size.py"),
    Guard("image/size.py", ", _MAX_GIF_BLOCKS, None)", ", 10**9, None)", "image/test_size.py"),
    Guard("workers/latency.py", "min(mean_s, most_s)", "mean_s", "workers/test_latency.py"),
    Guard("workers/latency.py", "low_s *= _REFUSED_SHARE", "low_s *= 1", "workers/test_latency.py"),
    Guard("workers/queue.py", "        self._lanes[task.lane].refresh(*task.owner)\n", "", QUEUE),
    Guard("workers/stderr.py", "if self._lines <= MAX_LINES:", "if True:", STDERR),
    Guard("workers/stderr.py", "while len(self._rest) > MAX_LINE_BYTES:", "while False:", STDERR),
    Guard("workers/stderr.py", "line[:MAX_LINE_BYTES]", "line", STDERR),
    Guard("workers/reader.py", "len(batch) < MAX_BATCH", "True", "workers/test_loop.py"),
    Guard("workers/reader.py", "now - request.received_at_s > request.deadline_s", "False", POOL),
    Guard("workers/reader.py", "            raise WorkEndedError\n", "            pass\n", POOL),
    Guard("workers/loop.py", "os._exit(OUT_OF_MEMORY_STATUS)", "pass", POOL),
    Guard("workers/supervisor.py", "worker.vitals.silent_s > self._hang_timeout_s", "False", POOL),
    Guard("workers/supervisor.py", "worker.vitals.abandoned_s > self._grace_s", "False", POOL),
    Guard("workers/pool.py", "now < self._reserved_until_s", "False", POOL),
    Guard("workers/pool.py", " if not _is_late(worker, now)", "", POOL),
    Guard("workers/pool.py", " or len(task.image_bytes) > LOOKAHEAD_BYTES", "", POOL),
    Guard("workers/vitals.py", "LEAST_WORK_SHARE * passed_s", "1e-6", POOL),
    Guard("api/server/unread.py", "self._budget.held_bytes + len(content) >", "-1 >", UNREAD),
    Guard("api/server/request_meter.py", "start + self._count_rest_of_head()", "10**9", METER),
    Guard("api/server/request_meter.py", "self._head_bytes > MAX_HEAD_BYTES", "False", METER),
    Guard("api/server/request_meter.py", "self._trailer_bytes > MAX_HEAD_BYTES", "False", METER),
    Guard("api/server/request_meter.py", "self._count > MAX_HEADERS", "False", METER),
    Guard("api/server/server.py", "(guard is None or guard.is_open)", "True", EARLY),
    Guard("api/service.py", "max(least, self.spare_bytes)", "math.inf", "api/test_assembly.py"),
)


def main(words: list[str]) -> int:
    """Print a line for each guard, and return the exit status."""
    missed = 0
    guards = [
        guard
        for guard in GUARDS
        if not words or any(word in guard.module + guard.text for word in words)
    ]
    for name in sorted({guard.tests for guard in guards}):
        if run_tests(name) != PASSED:
            sys.stdout.write(f"{name} fails with all guards\n")
            return 2
    for guard in guards:
        with remove_guard(guard):
            verdict = run_tests(guard.tests)
        missed += verdict == PASSED
        line = f"{guard.module}: {guard.text.strip()!r} {verdict} by {guard.tests}"
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    return int(missed > 0)


@contextmanager
def remove_guard(guard: Guard) -> Iterator[None]:
    """Replace a guard, and restore the file afterwards."""
    source = guard.path.read_text("utf-8")
    if source.count(guard.text) != 1:
        raise LookupError(f"{guard.path} has {guard.text!r} {source.count(guard.text)} times")
    guard.path.write_text(source.replace(guard.text, guard.replacement), "utf-8")
    try:
        yield
    finally:
        guard.path.write_text(source, "utf-8")


def run_tests(name: str) -> str:
    """Return whether a file of tests fails."""
    command = (sys.executable, "-m", "pytest", "-q", "-x", f"tests/{name}")
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, timeout=TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return "noticed, without end,"
    return "noticed" if done.returncode == 1 else PASSED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
