"""Runs one target with atheris: ``python -m fuzzing.engine TARGET FOLDER [OPTION]...``.

The options are libFuzzer's. The process ends with the first input that the target fails on, and
leaves it in the folder.
"""

import logging
import sys
import warnings
from pathlib import Path

import atheris

# Packages that read foreign bytes for phiz: their branches guide too.
_READERS = ("multipart", "tflite", "flatbuffers", "zipfile")


def main(name: str, folder: Path, options: list[str]) -> None:
    """Run a target until libFuzzer ends the process."""
    # Bytecode is instrumented while it is imported, so all else comes after the packages of phiz.
    with atheris.instrument_imports(include=["phiz", *_READERS]):
        from fuzzing.targets import TARGETS  # noqa: PLC0415
    warnings.simplefilter("ignore")  # some readers warn of damage
    logging.disable()
    target = TARGETS[name]
    found = folder / name
    found.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds()):
        (found / f"seed-{number:04}").write_bytes(seed)
    given = [f"-max_len={target.max_bytes}", f"-artifact_prefix={folder}/{name}-", *options]
    atheris.Setup([sys.argv[0], *given, str(found)], target.read)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
