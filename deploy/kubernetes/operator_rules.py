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
# This alert reports removed replicas, and the autoscaler removes them on purpose.
OMITTED_ALERT: Final = "PhizReplicaGone"
HEAD: Final = """\
# For the Prometheus operator, generated from deploy/prometheus/rules.yml:
# python deploy/kubernetes/operator_rules.py > deploy/kubernetes/rules.yaml
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: phiz
  labels: {app.kubernetes.io/name: phiz, release: kube-prometheus-stack}
spec:
"""


def convert_rules(prometheus_rules: str) -> str:
    """Return the rules of Prometheus in the format of the operator.

    An alert's comment stands before it, and an empty line after it.
    """
    paragraphs = prometheus_rules.split("\n\n")
    kept = [each for each in paragraphs if f"{ALERT_PREFIX}{OMITTED_ALERT}\n" not in each]
    return HEAD + textwrap.indent("\n\n".join(kept), "  ")


def main() -> None:
    """Print the rules."""
    sys.stdout.write(convert_rules(RULES.read_text("utf-8")))


if __name__ == "__main__":
    main()
