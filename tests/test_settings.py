from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from phiz import settings
from phiz.errors import SettingError
from phiz.settings import Settings, find_unknown_variables, list_variables, load_settings


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list_variables():
        monkeypatch.delenv(name, raising=False)


def test_defaults_hold_without_variables() -> None:
    assert load_settings() == Settings.model_construct(
        models=None,
        sampling="half-pixel",
        runtime="onnxruntime",
        providers=(),
        profile=None,
        max_bytes=20_971_520,
        max_pixels=None,
        workers=None,
        queue=None,
        deadline=10,
        hang=2,
        max_pictures=16,
        body_timeout=30,
        url_hosts=(),
        compat=("deepstack", "compreface", "kserve"),
        api_keys=None,
        rate=None,
        metrics_port=None,
        log="text",
        log_requests=None,
        drain=30,
    )


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("PHIZ_MODELS", "/srv/models", Path("/srv/models")),
        ("PHIZ_SAMPLING", "reference", "reference"),
        ("PHIZ_SAMPLING", "area", "area"),
        ("PHIZ_RUNTIME", "openvino", "openvino"),
        ("PHIZ_RUNTIME", "auto", "auto"),
        ("PHIZ_PROFILE", "/srv/profile.json", Path("/srv/profile.json")),
        ("PHIZ_PROVIDERS", "", ()),
        ("PHIZ_PROVIDERS", "AExecutionProvider", ("AExecutionProvider",)),
        ("PHIZ_PROVIDERS", " A, B ,", ("A", "B")),
        ("PHIZ_COMPAT", "", ("deepstack", "compreface", "kserve")),
        ("PHIZ_COMPAT", "none", ()),
        ("PHIZ_COMPAT", " kserve, deepstack", ("kserve", "deepstack")),
        ("PHIZ_MAX_BYTES", "1", 1),
        ("PHIZ_MAX_PIXELS", "1", 1),
        ("PHIZ_WORKERS", "1", 1),
        ("PHIZ_WORKERS", "1024", 1024),
        ("PHIZ_WORKERS", "", None),
        ("PHIZ_DEADLINE", "0.001", 0.001),
        ("PHIZ_DEADLINE", "3600", 3600),
        ("PHIZ_HANG", "0.5", 0.5),
        ("PHIZ_HANG", "3600", 3600),
        ("PHIZ_MAX_PICTURES", "1", 1),
        ("PHIZ_MAX_PICTURES", "1000", 1000),
        ("PHIZ_QUEUE", "1", 1),
        ("PHIZ_QUEUE", "100000", 100_000),
        ("PHIZ_QUEUE", "", None),
        ("PHIZ_BODY_TIMEOUT", "1", 1),
        ("PHIZ_BODY_TIMEOUT", "3600", 3600),
        ("PHIZ_URL_HOSTS", "", ()),
        ("PHIZ_STREAMS", "0", 0),
        ("PHIZ_URL_HOSTS", "public, *.example.org:8443", ("public", "*.example.org:8443")),
        ("PHIZ_API_KEYS", "/run/keys", SecretStr("/run/keys")),
        ("PHIZ_RATE", "20/s", "20/s"),
        ("PHIZ_CORS_ORIGINS", "", ()),
        ("PHIZ_CORS_ORIGINS", "http://a , *", ("http://a", "*")),
        ("PHIZ_METRICS_PORT", "0", 0),
        ("PHIZ_METRICS_PORT", "65535", 65_535),
        ("PHIZ_LOG", "json", "json"),
        ("PHIZ_LOG_REQUESTS", "", None),
        ("PHIZ_LOG_REQUESTS", "failed", "failed"),
        ("PHIZ_DRAIN", "0", 0),
        ("PHIZ_DRAIN", "3600", 3600),
    ],
)
def test_a_variable_is_read(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, expected: object
) -> None:
    monkeypatch.setenv(name, value)
    assert getattr(load_settings(), name.removeprefix("PHIZ_").lower()) == expected


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("PHIZ_SAMPLING", "nearest", "'reference', 'half-pixel' or 'area'"),
        ("PHIZ_RUNTIME", "tensorrt", "'onnxruntime', 'openvino' or 'auto'"),
        ("PHIZ_MAX_BYTES", "0", "greater than or equal to 1"),
        ("PHIZ_MAX_BYTES", "20MB", "valid integer"),
        ("PHIZ_MAX_PIXELS", "0", "greater than or equal to 1"),
        ("PHIZ_LOG", "xml", "'text' or 'json'"),
        ("PHIZ_LOG_REQUESTS", "some", "'none', 'failed' or 'all'"),
        ("PHIZ_COMPAT", "deepface", "'deepstack', 'compreface' or 'kserve'"),
        ("PHIZ_WORKERS", "0", "greater than or equal to 1"),
        ("PHIZ_WORKERS", "1025", "less than or equal to 1024"),
        ("PHIZ_DEADLINE", "0", "greater than 0"),
        ("PHIZ_DEADLINE", "3600.1", "less than or equal to 3600"),
        ("PHIZ_DEADLINE", "nan", "finite number"),
        ("PHIZ_DEADLINE", "inf", "finite number"),
        ("PHIZ_HANG", "0.4", "greater than or equal to 0.5"),
        ("PHIZ_HANG", "3601", "less than or equal to 3600"),
        ("PHIZ_HANG", "nan", "finite number"),
        ("PHIZ_MAX_PICTURES", "0", "greater than or equal to 1"),
        ("PHIZ_MAX_PICTURES", "1001", "less than or equal to 1000"),
        ("PHIZ_QUEUE", "0", "greater than or equal to 1"),
        ("PHIZ_QUEUE", "100001", "less than or equal to 100000"),
        ("PHIZ_BODY_TIMEOUT", "0", "greater than or equal to 1"),
        ("PHIZ_BODY_TIMEOUT", "3601", "less than or equal to 3600"),
        ("PHIZ_METRICS_PORT", "-1", "greater than or equal to 0"),
        ("PHIZ_METRICS_PORT", "65536", "less than or equal to 65535"),
        ("PHIZ_DRAIN", "-1", "greater than or equal to 0"),
        ("PHIZ_DRAIN", "3601", "less than or equal to 3600"),
    ],
)
def test_a_wrong_value_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, what: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingError) as caught:
        load_settings()
    message = str(caught.value)
    assert message.startswith(f"{name} is {value!r}: ")
    assert what in message
    assert "\n" not in message
    assert "pydantic" not in message


def test_every_wrong_value_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHIZ_WORKERS", "many")
    monkeypatch.setenv("PHIZ_DRAIN", "long")
    with pytest.raises(SettingError, match=r"PHIZ_WORKERS is 'many'.*; PHIZ_DRAIN is 'long'"):
        load_settings()


@pytest.mark.parametrize("name", [*list_variables(), *settings.CLI_VARIABLES])
def test_a_variable_that_is_read_is_known(name: str) -> None:
    assert find_unknown_variables([name]) == ()


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        pytest.param(["PHIZ_MAX_PIXEL", "PHIZ_A"], ("PHIZ_A", "PHIZ_MAX_PIXEL"), id="misspelt"),
        pytest.param(["HOME", "phiz_x", "APHIZ_X"], (), id="others"),
        pytest.param(["PHIZ_SERVICE_HOST", "PHIZ_PORT_8000_TCP"], (), id="service-links"),
    ],
)
def test_a_variable_that_nobody_reads_is_found(names: list[str], expected: tuple[str]) -> None:
    assert find_unknown_variables(names) == expected


def test_settings_do_not_change() -> None:
    chosen = load_settings()
    with pytest.raises(ValidationError):
        chosen.workers = 3
