"""Face detection as a microservice, as a command, and in Python.

The names are loaded at their first use, so that ``import phiz`` takes no time (PEP 562)::

    import phiz

    for face in phiz.detect("face.jpg").faces:
        print(face.box, face.score)
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phiz import errors
    from phiz.errors import PhizError
    from phiz.faces import Classification, DetectionResult, Face
    from phiz.sdk.async_client import AsyncClient
    from phiz.sdk.client import Client
    from phiz.sdk.local import LocalEngine, annotate, blur, classify, crop, detect
    from phiz.sdk.pictures import CropImage, CropResult, ImageResult

__version__ = "0.1.0"

__all__ = [
    "AsyncClient",
    "Classification",
    "Client",
    "CropImage",
    "CropResult",
    "DetectionResult",
    "Face",
    "ImageResult",
    "LocalEngine",
    "PhizError",
    "annotate",
    "blur",
    "classify",
    "crop",
    "detect",
    "errors",
]

_MODULES_BY_NAME = {
    "AsyncClient": "sdk.async_client",
    "Classification": "faces",
    "Client": "sdk.client",
    "CropImage": "sdk.pictures",
    "CropResult": "sdk.pictures",
    "DetectionResult": "faces",
    "Face": "faces",
    "ImageResult": "sdk.pictures",
    "LocalEngine": "sdk.local",
    "PhizError": "errors",
    "annotate": "sdk.local",
    "blur": "sdk.local",
    "classify": "sdk.local",
    "crop": "sdk.local",
    "detect": "sdk.local",
}

_CLIENT_PACKAGES = ("httpx", "tenacity")


if not TYPE_CHECKING:  # with it, a type checker would accept every name

    def __getattr__(name: str) -> object:
        """Return a name of the interface, and load its module.

        Raises:
            AttributeError: There is no such name.
            ImportError: A package of the clients is not installed.
        """
        if name == "errors":
            return import_module("phiz.errors")
        if name not in _MODULES_BY_NAME:
            raise AttributeError(f"module 'phiz' has no attribute {name!r}")
        try:
            module = import_module(f"phiz.{_MODULES_BY_NAME[name]}")
        except ModuleNotFoundError as error:
            if error.name not in _CLIENT_PACKAGES:
                raise
            raise ImportError(
                f"phiz.{name} needs the package {error.name}; install it with: pip install"
                " 'phiz[client]'"
            ) from error
        return getattr(module, name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
