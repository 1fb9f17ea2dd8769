"""Print the rules for the Prometheus operator.

::

    python deploy/kubernetes/operator_rules.py > deploy/kubernetes/rules.yaml
"""

import sys
import textwrap
from pathlib import Path
from typing import Final

RULES: Final = Path(__file__).parents[1] / "prometheus" / "rules.yml"
ALERT_PREFIX: Final = "      - alert: "
# Its autoscaler takes replicas away, which is what this one tells of.
OMITTED_ALERT: Final = "PhizReplicaGone"
HEAD: Final = """\
# For the Prometheus operator, made of deploy/prometheus/rules.yml:
# python deploy/kubernetes/operator_rules.py > deploy/kubernetes/rules.yaml
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: phiz
  labels: {app.kubernetes.io/name: phiz, release: kube-prometheus-stack}
spec:
"""


def convert_rules(prometheus_rules: str) -> str:
    """Return rules as Prometheus reads them as what the operator takes.

    An alert's comment stands before it, and an empty line behind.
    """
    paragraphs = prometheus_rules.split("\n\n")
    kept = [each for each in paragraphs if f"{ALERT_PREFIX}{OMITTED_ALERT}\n" not in each]
    return HEAD + textwrap.indent("\n\n".join(kept), "  ")


def main() -> None:
    """Print them."""
    sys.stdout.write(convert_rules(RULES.read_text("utf-8")))


if __name__ == "__main__":
    main()
