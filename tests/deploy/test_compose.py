import re
from typing import Any

import pytest
import yaml

from phiz.settings import READ_ELSEWHERE, known_variables

from .metrics import ROOT

TEXT = (ROOT / "docker-compose.yml").read_text("utf-8")
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["services"]
# Where things lie in the image, and what needs packages that the image has not.
SET_BY_THE_IMAGE = {"PHIZ_MODELS", "PHIZ_RUNTIME", "PHIZ_PROVIDERS", "PHIZ_PROFILE"}


def test_every_setting_can_be_given() -> None:
    expected = {*known_variables()} - {*READ_ELSEWHERE} - SET_BY_THE_IMAGE
    assert set(SERVICES["phiz"]["environment"]) == expected


def test_the_example_has_every_variable_with_its_default() -> None:
    example = (ROOT / ".env.example").read_text("utf-8")
    lines = dict(re.findall(r"^#([A-Z_]+)=(.*)$", example, re.MULTILINE))
    defaults = dict(re.findall(r"\$\{([A-Z_]+):-([^}]+)\}", TEXT))
    assert lines == defaults | dict.fromkeys(SERVICES["phiz"]["environment"], "")


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_may_do_no_more_than_it_must(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["cpus"]
    assert service["mem_limit"]
    assert service["pids_limit"]


@pytest.mark.parametrize("name", [name for name in SERVICES if "ports" in SERVICES[name]])
def test_a_port_is_open_to_this_machine_alone_unless_asked(name: str) -> None:
    (published,) = SERVICES[name]["ports"]
    assert re.fullmatch(r"\$\{[A-Z]+_PUBLISH:-127\.0\.0\.1:\d+\}:\d+", published)


def test_the_service_itself_has_no_port_outside_so_that_it_can_be_scaled() -> None:
    assert "ports" not in SERVICES["phiz"]
    assert "container_name" not in SERVICES["phiz"]


def test_a_stop_waits_longer_than_the_service_drains() -> None:
    drain_s = int(SERVICES["phiz"]["stop_grace_period"].removesuffix("s"))
    table = (ROOT / "docs" / "service.md").read_text("utf-8")
    (default_s,) = re.findall(r"^\| `PHIZ_DRAIN` \| (\d+) \|", table, re.MULTILINE)
    assert drain_s > int(default_s)
