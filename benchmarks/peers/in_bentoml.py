"""A server of the load benchmark: phiz's detector in BentoML.

::

    python -m bentoml serve in_bentoml:Detector --host 127.0.0.1 --port PORT
"""

from pathlib import Path
from typing import Any

import bentoml
from detector import load_detector


@bentoml.service(workers=1, traffic={"timeout": 30})
class Detector:
    """Finds faces."""

    def __init__(self) -> None:
        """Load the model, in the process that works."""
        self._detect = load_detector()

    @bentoml.api(route="/detect")  # type: ignore[untyped-decorator]  # its types are elsewhere
    def detect(self, image: Path) -> dict[str, Any]:
        """Return the answer; BentoML keeps a file of a form in the file system."""
        return self._detect(image.read_bytes())
