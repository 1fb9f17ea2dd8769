import subprocess
import sys
from pathlib import Path

import pytest

from phiz.runtime.session import raise_memory_error

# Runs P-Net on a large level with little more memory than the process has.
PROGRAM = """
import resource, sys
from pathlib import Path
import numpy as np
from phiz.models import catalog
from phiz.runtime.onnx import OnnxRuntime

spec = catalog.load_catalog().get_model("mtcnn").get_network("pnet")
session = OnnxRuntime().open(spec, catalog.read_network(spec, Path(sys.argv[1])))
level = np.zeros((1, 1200, 1200, 3), np.float32)
pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + 2_000_000
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    session.run(level)
except MemoryError as error:
    print(f"MemoryError: {error}")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="macOS does not enforce the limit")
def test_lack_of_memory_in_a_runtime_is_a_memory_error(models_folder: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(models_folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout.startswith("MemoryError: ")
    assert ran.stderr == ""  # lines of the library would break the log


def test_other_errors_of_a_runtime_are_none() -> None:
    raise_memory_error(ValueError("Got invalid dimensions for input"))
