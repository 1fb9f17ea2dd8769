import copy
import re
from typing import Any

import kubernetes_validate
import operator_rules
import pytest
import yaml

import phiz
from phiz.settings import list_variables

from .memory import needed_bytes
from .metrics import PROMETHEUS, ROOT, documented, used

FOLDER = ROOT / "deploy" / "kubernetes"
KINDS = ("deployment", "service", "autoscaler", "disruption", "network", "monitor", "rules")
MANIFESTS: dict[str, Any] = {
    kind: yaml.safe_load((FOLDER / f"{kind}.yaml").read_text("utf-8")) for kind in KINDS
}
# The operator's own kinds, which Kubernetes' schemas do not know.
STANDARD = [kind for kind in KINDS if kind not in {"monitor", "rules"}]
POD = MANIFESTS["deployment"]["spec"]["template"]
(CONTAINER,) = POD["spec"]["containers"]


@pytest.mark.parametrize("kind", STANDARD)
def test_kubernetes_takes_it(kind: str) -> None:
    kubernetes_validate.validate(MANIFESTS[kind], "1.31", strict=True)


def test_a_misspelt_field_would_be_noticed() -> None:
    wrong = MANIFESTS["service"] | {"spec": {"selectors": {}}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, "1.31", strict=True)


def test_kustomize_takes_all_of_them() -> None:
    listed = yaml.safe_load((FOLDER / "kustomization.yaml").read_text("utf-8"))["resources"]
    assert listed == [f"{kind}.yaml" for kind in KINDS]


def read_queue(name: str) -> Any:
    return yaml.safe_load((FOLDER / "queue" / f"{name}.yaml").read_text("utf-8"))


def test_kubernetes_takes_the_autoscaler_that_knows_the_wait() -> None:
    (patch,) = read_queue("kustomization")["patches"]
    autoscaler = copy.deepcopy(MANIFESTS["autoscaler"])
    named = {"kind": autoscaler["kind"], "name": autoscaler["metadata"]["name"]}
    assert (patch["path"], patch["target"]) == ("autoscaler.yaml", named)
    (added,) = read_queue("autoscaler")
    assert (added["op"], added["path"]) == ("add", "/spec/metrics/-")
    autoscaler["spec"]["metrics"].append(added["value"])
    kubernetes_validate.validate(autoscaler, "1.31", strict=True)


def test_the_adapter_gives_what_the_autoscaler_asks_for() -> None:
    (rule,) = read_queue("adapter")["rules"]["custom"]
    (added,) = read_queue("autoscaler")
    assert rule["name"]["as"] == added["value"]["pods"]["metric"]["name"]
    (series,) = used(rule["seriesQuery"])
    assert series in documented()
    query = rule["metricsQuery"]
    # What the adapter puts in for one pod.
    for template, text in {
        "<<.GroupBy>>": "pod",
        "<<.Series>>": series,
        "<<.LabelMatchers>>": 'namespace="default",pod="phiz-1"',
    }.items():
        query = query.replace(template, text)
    assert used(query) == {series}


def test_selectors_mean_the_same_pods() -> None:
    labels = POD["metadata"]["labels"]
    spec = {kind: manifest["spec"] for kind, manifest in MANIFESTS.items()}
    assert spec["deployment"]["selector"]["matchLabels"] == labels
    assert spec["service"]["selector"] == labels
    assert spec["disruption"]["selector"]["matchLabels"] == labels
    assert spec["network"]["podSelector"]["matchLabels"] == labels
    assert spec["monitor"]["selector"]["matchLabels"] == MANIFESTS["service"]["metadata"]["labels"]
    target = spec["autoscaler"]["scaleTargetRef"]
    deployment = MANIFESTS["deployment"]
    assert (target["kind"], target["name"]) == (deployment["kind"], deployment["metadata"]["name"])


def test_every_port_is_the_one_that_the_image_listens_on() -> None:
    port, metrics = CONTAINER["ports"]
    (exposed,) = re.findall(r"^EXPOSE (\d+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert port["containerPort"] == int(exposed)
    offered, offered_metrics = MANIFESTS["service"]["spec"]["ports"]
    (scraped,) = MANIFESTS["monitor"]["spec"]["endpoints"]
    probes = [CONTAINER[f"{kind}Probe"]["httpGet"] for kind in ("startup", "readiness", "liveness")]
    assert {port["name"], offered["targetPort"], *(probe["port"] for probe in probes)} == {"http"}
    assert scraped["port"] == offered_metrics["name"]
    assert offered_metrics["targetPort"] == metrics["name"]
    (told,) = (one["value"] for one in CONTAINER["env"] if one["name"] == "PHIZ_METRICS_PORT")
    assert metrics["containerPort"] == int(told)


def test_network_policy_opens_each_port_to_its_readers_and_no_other() -> None:
    policy = MANIFESTS["network"]["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    names = {port["name"] for port in CONTAINER["ports"]}
    allowed = {port["port"]: rule["from"] for rule in policy["ingress"] for port in rule["ports"]}
    assert allowed.keys() == names
    (scraped,) = MANIFESTS["monitor"]["spec"]["endpoints"]
    namespaces = {
        port: [
            one["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
            for one in sources
            if "namespaceSelector" in one
        ]
        for port, sources in allowed.items()
    }
    assert namespaces.pop(scraped["port"]) == ["monitoring"]
    assert len(allowed[scraped["port"]]) == 1
    assert namespaces == {"http": ["ingress-nginx"]}
    # An empty source would be everybody.
    assert all(sources for sources in allowed.values())


def test_network_policy_lets_pods_ask_for_names_alone() -> None:
    (rule,) = MANIFESTS["network"]["spec"]["egress"]
    assert {(port["protocol"], port["port"]) for port in rule["ports"]} == {
        ("UDP", 53),
        ("TCP", 53),
    }
    (target,) = rule["to"]
    assert target.keys() == {"namespaceSelector", "podSelector"}


def test_the_job_is_called_as_the_rules_call_it() -> None:
    name = MANIFESTS["service"]["metadata"]["labels"][MANIFESTS["monitor"]["spec"]["jobLabel"]]
    jobs = re.findall(r'job="(\w+)"', (PROMETHEUS / "rules.yml").read_text("utf-8"))
    assert set(jobs) == {name}


def test_the_image_is_of_this_version() -> None:
    assert CONTAINER["image"] == f"phiz:{phiz.__version__}"


def test_a_pod_may_do_no_more_than_it_must() -> None:
    may = CONTAINER["securityContext"]
    assert may["readOnlyRootFilesystem"]
    assert not may["allowPrivilegeEscalation"]
    assert may["capabilities"]["drop"] == ["ALL"]
    (user,) = re.findall(r"^USER (\d+):\d+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert POD["spec"]["securityContext"]["runAsUser"] == int(user)


def test_each_worker_can_have_the_largest_picture_at_once() -> None:
    limits = CONTAINER["resources"]["limits"]
    (max_pixels,) = (one["value"] for one in CONTAINER["env"] if one["name"] == "PHIZ_MAX_PIXELS")
    limit_bytes = int(limits["memory"].removesuffix("Mi")) * 2**20
    assert needed_bytes(int(limits["cpu"]), int(max_pixels)) <= limit_bytes


def test_every_variable_is_a_setting() -> None:
    assert {one["name"] for one in CONTAINER["env"]} <= set(list_variables())


def test_the_rules_of_the_operator_are_those_of_prometheus() -> None:
    written = (FOLDER / "rules.yaml").read_text("utf-8")
    given = (PROMETHEUS / "rules.yml").read_text("utf-8")
    assert written == operator_rules.convert_rules(given), (
        "run: python deploy/kubernetes/operator_rules.py > deploy/kubernetes/rules.yaml"
    )
    ours = yaml.safe_load(given)
    alerts = ours["groups"][-1]["rules"]
    # All but the one that tells of replicas that are taken away, which the autoscaler does.
    (gone,) = (alert for alert in alerts if alert.get("alert") == "PhizReplicaGone")
    alerts.remove(gone)
    assert MANIFESTS["rules"]["spec"] == ours
    # What the chart of Prometheus and the operator looks for, unless it is told otherwise.
    for kind in ("monitor", "rules"):
        assert MANIFESTS[kind]["metadata"]["labels"]["release"] == "kube-prometheus-stack"


def test_a_pod_has_time_to_end_what_it_began() -> None:
    table = (ROOT / "docs" / "settings.md").read_text("utf-8")
    (drain_s,) = re.findall(r"^\| `PHIZ_DRAIN` \| (\d+) \|", table, re.MULTILINE)
    (wait_s,) = re.findall(
        r"sleep\((\d+)\)", CONTAINER["lifecycle"]["preStop"]["exec"]["command"][-1]
    )
    assert POD["spec"]["terminationGracePeriodSeconds"] > int(drain_s) + int(wait_s)
