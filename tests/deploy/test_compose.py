import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from phiz.api.app import create_app
from phiz.api.service import RequestLimits
from phiz.settings import CLI_VARIABLES, list_variables

from .memory import needed_bytes
from .metrics import PROMETHEUS, ROOT

TEXT = (ROOT / "docker-compose.yml").read_text("utf-8")
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["services"]
# Where things lie in the image, and what needs packages that the image has not.
SET_BY_THE_IMAGE = {"PHIZ_MODELS", "PHIZ_PROVIDERS", "PHIZ_PROFILE"}
DEFAULTS = dict(re.findall(r"\$\{([A-Z_]+):-([^}]+)\}", TEXT))
NAMES = {entry.partition("=")[0] for entry in SERVICES["phiz"]["environment"]}
OPTIONAL = {"TLS_HSTS", "PHIZ_VARIANTS"}  # of the proxy and the build
EXAMPLE = (ROOT / ".env.example").read_text("utf-8")
# Fixed, because Prometheus's configuration has no variables.
FIXED = dict(
    entry.split("=")
    for entry in SERVICES["phiz"]["environment"]
    if "=" in entry and "$" not in entry
)
PROXY = (ROOT / "deploy" / "haproxy" / "haproxy.cfg").read_text("utf-8")


def test_every_setting_can_be_given() -> None:
    expected = {*list_variables()} - {*CLI_VARIABLES} - SET_BY_THE_IMAGE
    assert expected == NAMES


def test_the_example_has_every_variable_with_its_default() -> None:
    lines = dict(re.findall(r"^#([A-Z_]+)=(.*)$", EXAMPLE, re.MULTILINE))
    required = (NAMES - FIXED.keys()) | OPTIONAL
    assert lines == dict.fromkeys(required, "") | DEFAULTS


def test_the_study_is_written_into_a_volume_of_the_user_of_the_image() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8")
    (profile,) = re.findall(r"PHIZ_PROFILE=(\S+)", dockerfile)
    (user,) = re.findall(r"^USER (\d+):\d+$", dockerfile, re.MULTILINE)
    folder = Path(profile).parent
    assert f"RUN install -d -o {user} -g {user} {folder}\n" in dockerfile
    assert SERVICES["phiz"]["volumes"] == [f"study:{folder}"]


def test_prometheus_asks_at_the_metrics_port() -> None:
    assert FIXED.keys() == {"PHIZ_METRICS_PORT"}
    (job, _) = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text("utf-8"))["scrape_configs"]
    (found,) = job["dns_sd_configs"]
    assert str(found["port"]) == FIXED["PHIZ_METRICS_PORT"]
    assert FIXED["PHIZ_METRICS_PORT"] in SERVICES["phiz"]["expose"]


def test_each_worker_can_have_the_largest_picture_at_once() -> None:
    limit_bytes = int(DEFAULTS["PHIZ_MEMORY"].removesuffix("m")) * 2**20
    needed = needed_bytes(int(DEFAULTS["PHIZ_CPUS"]), int(DEFAULTS["PHIZ_MAX_PIXELS"]))
    assert needed <= limit_bytes


def timeout_s(name: str) -> int:
    (seconds,) = re.findall(rf"^    timeout {name} (\d+)s$", PROXY, re.MULTILINE)
    return int(seconds)


@pytest.mark.parametrize(
    ("variable", "cut_off_s"),
    [
        ("PHIZ_DEADLINE", timeout_s("server")),
        ("PHIZ_BODY_TIMEOUT", timeout_s("client")),
        ("PHIZ_DRAIN", int(SERVICES["phiz"]["stop_grace_period"].removesuffix("s"))),
    ],
)
def test_the_example_bounds_what_would_be_cut_off(variable: str, cut_off_s: int) -> None:
    ((most_s, told_s),) = re.findall(
        rf"^# At most (\d+): .* (\d+) s .*\n#{variable}=$", EXAMPLE, re.MULTILINE
    )
    assert int(most_s) < int(told_s) == cut_off_s


def test_proxy_waits_for_a_slow_request_line_no_longer_than_for_none() -> None:
    assert timeout_s("http-request") <= timeout_s("client")
    assert timeout_s("http-keep-alive") <= timeout_s("client")


def test_grafana_refuses_its_default_password() -> None:
    assert SERVICES["grafana"]["environment"]["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == (
        "true"
    )


def test_the_proxy_logs_the_paths_that_the_service_has_and_no_other() -> None:
    (before, condition), *more = re.findall(
        r"^    http-request set-var\(txn\.path\) (\S+)(?: if \{ path (.+) \})?$",
        PROXY,
        re.MULTILINE,
    )
    assert (before, condition) == ("str(-)", "")
    ((value, paths),) = more
    assert value == "path"
    routes = create_app(("unused",), 1, RequestLimits(1)).state.methods
    # A caller may put a name in place of a model's.
    assert set(paths.split()) == {route for route in routes if "{" not in route}


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
    for published in SERVICES[name]["ports"]:
        assert re.fullmatch(r"\$\{[A-Z]+_PUBLISH:-127\.0\.0\.1:\d+\}:\d+", published)


def read_config(**variables: str) -> Any:
    """The services as compose reads them, with these variables and every profile."""
    compose = Path(sys.executable).with_name("docker-compose")
    command: list[str | Path] = [
        compose,
        "--env-file=/dev/null",
        "--profile=*",
        "config",
        "--format=json",
    ]
    ran = subprocess.run(
        command, cwd=ROOT, env=variables, check=True, capture_output=True, text=True
    )
    return json.loads(ran.stdout)["services"]


def test_every_image_can_be_named_by_digest() -> None:
    digest = f"@sha256:{'ab' * 32}"
    images = {name: value for name, value in DEFAULTS.items() if name.endswith(("_IMAGE", "_BASE"))}
    services = read_config(**{name: f"{value}{digest}" for name, value in images.items()})
    assert {service["image"] for service in services.values()} | {
        services["phiz"]["build"]["args"]["BASE"]
    } == {f"{value}{digest}" for value in images.values()}


def test_tls_is_a_profile_beside_the_other_proxy() -> None:
    assert {name for name in SERVICES if SERVICES[name].get("profiles")} == {"tls"}
    services = read_config(TLS_HSTS="300", TLS_PORT="443")
    assert services["tls"]["image"] == services["proxy"]["image"]
    assert services["tls"]["command"] == services["proxy"]["command"]
    environment = services["tls"]["environment"]
    assert (environment["TLS_HSTS"], environment["TLS_PORT"]) == ("300", "443")
    # A variable without a value would turn the header on.
    assert read_config()["tls"]["environment"]["TLS_HSTS"] is None


def test_the_service_itself_has_no_port_outside_so_that_it_can_be_scaled() -> None:
    assert "ports" not in SERVICES["phiz"]
    assert "container_name" not in SERVICES["phiz"]


def test_every_service_has_a_health_check() -> None:
    services = read_config()
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8")
    (own,) = re.findall(r"^HEALTHCHECK .*\\\n    CMD \[(.+)\]$", dockerfile, re.MULTILINE)
    assert "ready.py" in own
    checks = {name: service.get("healthcheck") for name, service in services.items()}
    assert checks.pop("phiz") is None
    for name, check in checks.items():
        command, *_ = check["test"]
        assert command == "CMD", name
        assert {"interval", "timeout", "retries", "start_period"} <= check.keys(), name


def test_a_health_check_asks_the_port_that_the_service_publishes() -> None:
    for name in ("prometheus", "alertmanager", "grafana"):
        service = SERVICES[name]
        (published,) = service["ports"]
        address = httpx.URL(service["healthcheck"]["test"][-1])
        assert address.port == int(published.rpartition(":")[2])
    for name in ("proxy", "tls"):
        *_, script = SERVICES[name]["healthcheck"]["test"]
        assert (ROOT / "deploy" / "haproxy" / Path(script).name).exists()
        assert "./deploy/haproxy:/etc/phiz:ro" in SERVICES[name]["volumes"]
        assert Path(script).parent == Path("/etc/phiz")


@pytest.mark.parametrize(
    ("name", "needed"),
    [("proxy", "phiz"), ("tls", "phiz"), ("prometheus", "phiz"), ("grafana", "prometheus")],
)
def test_a_service_waits_for_what_it_asks(name: str, needed: str) -> None:
    assert SERVICES[name]["depends_on"] == {needed: {"condition": "service_healthy"}}


def test_a_stop_waits_longer_than_the_service_drains() -> None:
    drain_s = int(SERVICES["phiz"]["stop_grace_period"].removesuffix("s"))
    table = (ROOT / "docs" / "settings.md").read_text("utf-8")
    (default_s,) = re.findall(r"^\| `PHIZ_DRAIN` \| (\d+) \|", table, re.MULTILINE)
    assert drain_s > int(default_s)
