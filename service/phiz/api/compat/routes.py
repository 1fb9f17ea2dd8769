"""The interfaces of other servers by name, and every operation on images by its path."""

from collections.abc import Collection, Mapping
from typing import Final

from phiz.api.compat.compreface import COMPREFACE, DETECT_OPERATION, DETECT_PATH
from phiz.api.compat.deepstack import DEEPSTACK, FACE_OPERATION, FACE_PATH
from phiz.api.compat.interface import Interface
from phiz.api.compat.kserve import KSERVE
from phiz.api.routes_detect import OPERATIONS, Operation
from phiz.settings import InterfaceName

INTERFACES_BY_NAME: Final[Mapping[InterfaceName, Interface]] = {
    "deepstack": DEEPSTACK,
    "compreface": COMPREFACE,
    "kserve": KSERVE,
}
IMAGE_OPERATIONS: Final[Mapping[str, Operation]] = {
    **OPERATIONS,
    FACE_PATH: FACE_OPERATION,
    DETECT_PATH: DETECT_OPERATION,
}
"""By path; their method is POST. Those of an interface that is off have no route."""


def choose_operations(paths: Collection[str]) -> Mapping[str, Operation]:
    """Return the operations of an application with these paths."""
    return {path: each for path, each in IMAGE_OPERATIONS.items() if path in paths}
