import re
import subprocess
import sys
from pathlib import Path

import pytest

from .metrics import ROOT

HADOLINT = Path(sys.executable).with_name("hadolint")


@pytest.mark.parametrize("file", ["Dockerfile", "deploy/test/standins/Dockerfile"])
def test_the_image_is_made_as_is_advised(file: str) -> None:
    checked = subprocess.run(
        [HADOLINT, "--no-color", file], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (checked.stdout, checked.returncode) == ("", 0)


def locked(packages: str) -> set[tuple[str, str]]:
    """The names and versions of what an image is made of, with those of the files referred to."""
    text = (ROOT / "requirements" / f"{packages}.txt").read_text("utf-8")
    others = re.findall(r"^-r (\w+)\.txt$", text, re.MULTILINE)
    own = set(re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE))
    return own.union(*map(locked, others))


def test_image_has_no_package_of_an_extra() -> None:
    names = {name for name, _ in locked("serve")}
    assert {"onnxruntime", "uvicorn"} <= names
    extras = {"ray", "pyarrow", "pandas", "openvino", "onnx", "opentelemetry-sdk", "pillow-heif"}
    assert not names & extras


def test_an_image_that_reads_heic_has_one_package_more() -> None:
    (more,) = locked("heif") - locked("serve")
    assert locked("serve") < locked("heif")
    assert more[0] == "pillow-heif"


def test_an_image_with_traces_has_what_they_need_beside_all_of_the_others() -> None:
    assert locked("serve") < locked("otel")
    more = {name for name, _ in locked("otel") - locked("serve")}
    assert {"opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http"} <= more
    assert not more & {"ray", "pyarrow", "pandas", "openvino", "onnx"}


def test_an_image_with_openvino_has_it_beside_all_of_the_others() -> None:
    assert locked("serve") < locked("openvino")
    more = {name for name, _ in locked("openvino") - locked("serve")}
    assert more == {"openvino", "openvino-telemetry"}


def test_packages_of_one_image_have_one_version_each() -> None:
    names = ("serve", "openvino", "otel", "heif")
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8")
    assert (
        f"COPY {' '.join(f'requirements/{name}.txt' for name in names)} requirements/" in dockerfile
    )
    # numpy has two, one of which is for later Pythons.
    several = set().union(*map(locked, names)) - locked("serve")
    assert len({name for name, _ in several}) == len(several)
    assert not {name for name, _ in several} & {name for name, _ in locked("serve")}
