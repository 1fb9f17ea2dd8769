import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from phiz.models.catalog import load_catalog
from tests.tools import program

from .metrics import ALERTS, PROMETHEUS, ROOT, RULES, known, used

FILES = ("rules_test.yml", "rules_long_test.yml")
TESTS = [
    test
    for name in FILES
    for test in yaml.safe_load((PROMETHEUS / name).read_text("utf-8"))["tests"]
]
DEPLOYING = ROOT / "docs" / "deploying.md"


def promtool(*arguments: str) -> None:
    checked = subprocess.run(
        [program("promtool"), *arguments],
        cwd=PROMETHEUS,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.needs("promtool")
def test_prometheus_takes_the_configuration_and_the_rules() -> None:
    promtool("check", "config", "prometheus.yml")


@pytest.mark.integration
@pytest.mark.needs("promtool")
@pytest.mark.parametrize("name", FILES)
def test_the_rules_do_what_their_tests_say(name: str) -> None:
    promtool("test", "rules", name)


@pytest.mark.needs("promtool")
def test_the_wait_of_a_pod_that_has_no_worker_is_left_out_of_the_average(tmp_path: Path) -> None:
    """The adapter fills in the pods of a cluster, and promtool the series."""
    adapter = ROOT / "deploy" / "kubernetes" / "queue" / "adapter.yaml"
    (rule,) = yaml.safe_load(adapter.read_text("utf-8"))["rules"]["custom"]
    query = rule["metricsQuery"].replace("<<.Series>>", "phiz_queue_wait_seconds")
    query = query.replace("<<.LabelMatchers>>", 'namespace="x"').replace("<<.GroupBy>>", "pod")
    waits = {"a": "0.1x10", "b": "0.3x10", "c": "0.3x9 Inf"}
    test = {
        "interval": "30s",
        "input_series": [
            {"series": f'phiz_queue_wait_seconds{{namespace="x", pod="{pod}"}}', "values": values}
            for pod, values in waits.items()
        ],
        "promql_expr_test": [
            {
                "expr": query,
                "eval_time": "5m",
                "exp_samples": [
                    {"labels": '{pod="a"}', "value": 0.1},
                    {"labels": '{pod="b"}', "value": 0.3},
                ],
            }
        ],
    }
    (tmp_path / "adapter_test.yml").write_text(yaml.safe_dump({"tests": [test]}), "utf-8")
    promtool("test", "rules", str(tmp_path / "adapter_test.yml"))


def expectations(alert: str) -> list[Any]:
    return [
        case["exp_alerts"]
        for test in TESTS
        for case in test.get("alert_rule_test", [])
        if case["alertname"] == alert
    ]


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_is_seen_to_fire_and_not_to(alert: str) -> None:
    assert {bool(expected) for expected in expectations(alert)} == {True, False}


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_has_a_runbook(alert: str) -> None:
    path, _, anchor = ALERTS[alert]["annotations"]["runbook"].partition("#")
    assert (ROOT / path, anchor) == (DEPLOYING, alert.lower())
    assert f"\n### {alert}\n" in DEPLOYING.read_text("utf-8")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.get("record") or rule["alert"])
def test_a_rule_asks_for_what_there_is(rule: dict[str, Any]) -> None:
    assert used(rule["expr"]) <= known()


def test_the_names_in_a_query_are_found() -> None:
    query = "absent(sum by (a) (rate(b_total[5m])) / on (a) c > bool -d) unless e offset 1h"
    assert used(query) == {"b_total", "c", "d", "e"}


def test_every_error_of_the_service_counts_as_one() -> None:
    document = (ROOT / "docs" / "http.md").read_text("utf-8")
    # 501 is a request that the service does not understand, not an error of the service.
    documented = set(re.findall(r"^\| 5(?!01)\d\d \| `(\w+)`", document, re.MULTILINE))
    (rule,) = (rule for rule in RULES if rule.get("record") == "phiz:errors:rate5m")
    (counted,) = re.findall(r'outcome=~"([^"]+)"', rule["expr"])
    assert set(counted.split("|")) == documented


def test_a_replica_must_have_every_face_model() -> None:
    (loaded,) = re.findall(r"\(phiz_model_info\) >= (\d+)", ALERTS["PhizModelNotVerified"]["expr"])
    assert int(loaded) == len(load_catalog().get_models("face"))
