from phiz.api.app import create_app
from phiz.api.security.guard import PROBE_PATHS_OPEN, Guard
from phiz.api.security.keys import KeyRing
from phiz.api.security.rates import Rate
from phiz.api.service import RequestLimits

LIMITS = RequestLimits(1)


def test_keys_are_declared_for_all_but_probes() -> None:
    schema = create_app(("unused",), 1, LIMITS, None, Guard(KeyRing({}))).openapi()
    kinds = {each["type"] for each in schema["components"]["securitySchemes"].values()}
    assert kinds == {"apiKey", "http"}
    for path, operations in schema["paths"].items():
        for operation in operations.values():
            is_open = path in PROBE_PATHS_OPEN
            assert ("security" in operation) != is_open
            assert ({"401", "403"} <= operation["responses"].keys()) != is_open


def test_no_keys_are_declared_without_keys() -> None:
    for guard in (None, Guard(rate=Rate(1, 1, 1))):
        schema = create_app(("unused",), 1, LIMITS, None, guard).openapi()
        assert "securitySchemes" not in schema.get("components", {})
        assert "security" not in str(schema)


def test_metrics_of_another_port_are_not_described() -> None:
    paths = create_app(("unused",), 1, LIMITS, None, Guard(metrics_port=1)).openapi()["paths"]
    assert "/metrics" not in paths
    assert "/detect" in paths
