import os
import subprocess
import sys
from pathlib import Path

import pytest

from phiz.runtime.session import raise_memory_error
from phiz.system.malloc import add_huge_pages

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


# Runs YuNet on an input whose memory is 30 MB or more.
KEPT = """
import sys
from pathlib import Path
import numpy as np
from phiz.models import catalog
from phiz.runtime.onnx import OnnxRuntime

def read_anonymous_kib():
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("RssAnon"))

(spec,) = catalog.load_catalog().get_model("yunet").networks
session = OnnxRuntime().open(spec, catalog.read_network(spec, Path(sys.argv[1])))
session.run(np.zeros((1, 32, 32, 3), np.uint8))
before = read_anonymous_kib()
outputs = session.run(np.zeros((1, 1024, 1024, 3), np.uint8))
outputs.clear()
print(read_anonymous_kib() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="procfs")
def test_memory_of_large_inputs_is_kept_unless_pages_are_huge(models_folder: Path) -> None:
    command = [sys.executable, "-c", KEPT, str(models_folder)]
    plain = {name: value for name, value in os.environ.items() if name != "GLIBC_TUNABLES"}
    kept_kib, returned_kib = (
        int(subprocess.run(command, env=variables, capture_output=True, check=True).stdout)
        for variables in (plain, add_huge_pages(plain))
    )
    assert kept_kib > 25_000
    assert returned_kib < kept_kib - 15_000
