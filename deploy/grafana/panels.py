"""The contents of the dashboard: rows of panels with their queries.

The queries are for Prometheus. They use the metrics of docs/metrics.md and the recording rules of
deploy/prometheus/rules.yml. Grafana fills in ``$model`` and ``$__rate_interval``.
"""

from dataclasses import dataclass
from typing import Final

SELECTED: Final = 'job="phiz", model=~"$model"'
ANSWERED: Final = f'{SELECTED}, outcome="ok"'
SERVICE: Final = 'job="phiz"'


@dataclass(frozen=True, slots=True)
class Graph:
    """A panel.

    Attributes:
        title: Its title.
        unit: Grafana's name of the unit.
        queries: Pairs of a query and the legend of its lines.
        why: Its description, shown on request.
        as_number: Whether it shows only the newest value.
    """

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    why: str
    as_number: bool = False


def rate(metric: str, selector: str, by: str) -> str:
    """Return the query for the rate of counters, summed by labels."""
    return f"sum by ({by}) (rate({metric}{{{selector}}}[$__rate_interval]))"


def quantile(share: float, metric: str, selector: str, by: str) -> str:
    """Return the query for a quantile of a histogram."""
    return f"histogram_quantile({share}, {rate(f'{metric}_bucket', selector, f'le, {by}')})"


def mean(metric: str, selector: str, by: str) -> str:
    """Return the query for the mean of a histogram."""
    return f"{rate(f'{metric}_sum', selector, by)} / {rate(f'{metric}_count', selector, by)}"


FACES_A_PICTURE: Final = (
    f"{rate('phiz_faces_total', SELECTED, 'model')}"
    f" / {rate('phiz_pictures_total', ANSWERED, 'model')}"
)

ROWS: Final = {
    "Requests": (
        Graph(
            "Requests",
            "reqps",
            ((rate("phiz_request_seconds_count", SELECTED, "model"), "{{model}}"),),
            "Detection requests by requested model, with any outcome.",
        ),
        Graph(
            "Outcomes",
            "reqps",
            ((rate("phiz_request_seconds_count", SELECTED, "outcome"), "{{outcome}}"),),
            "ok, or the error code.",
        ),
        Graph(
            "Service errors",
            "percentunit",
            (("phiz:errors:ratio5m", "of {{of}}"),),
            "Failures of the service over five minutes. PhizErrors fires above 5 % of either.",
        ),
    ),
    "Latency": (
        Graph(
            "Median latency",
            "s",
            ((quantile(0.5, "phiz_request_seconds", ANSWERED, "model"), "{{model}}"),),
            "From a request's headers to its answer, so it includes the upload of the body.",
        ),
        Graph(
            "99th percentile latency",
            "s",
            ((quantile(0.99, "phiz_request_seconds", ANSWERED, "model"), "{{model}}"),),
            "PhizSlow fires above one second.",
        ),
        Graph(
            "Mean time per stage",
            "s",
            ((mean("phiz_stage_seconds", SELECTED, "model, stage"), "{{model}} {{stage}}"),),
            "receive is the upload of the body; pnet, rnet and onet are parts of inference.",
        ),
    ),
    "Saturation": (
        Graph(
            "Busy workers and processors",
            "percentunit",
            (
                ("phiz:workers:busy_ratio5m", "{{instance}} workers"),
                ("phiz:processors:busy_ratio5m", "{{instance}} processors"),
            ),
            "Over five minutes. PhizSaturated fires above 90 % of either.",
        ),
        Graph(
            "Queue wait of the next request",
            "s",
            ((f"phiz_queue_wait_seconds{{{SERVICE}}}", "{{instance}}"),),
            "PhizSaturated fires above two seconds; above half the deadline, requests are refused.",
        ),
        Graph(
            "Queued and in-flight requests",
            "none",
            (
                (f"phiz_queue_depth{{{SERVICE}}}", "{{instance}} queued"),
                (f"phiz_inflight_requests{{{SERVICE}}}", "{{instance}} in flight"),
            ),
            "Requests in flight include those whose bodies are still arriving.",
        ),
        Graph(
            "Refused requests",
            "reqps",
            ((rate("phiz_rejected_total", SERVICE, "reason"), "{{reason}}"),),
            "Refused before any work, by error code. PhizSaturated fires above 1 % overloaded.",
        ),
        Graph(
            "Memory",
            "bytes",
            (("phiz:resident_bytes", "{{instance}}"),),
            "Resident memory of all processes of a replica. PhizMemoryGrows detects a ramp.",
        ),
        Graph(
            "Workers replaced",
            "none",
            ((f"increase(phiz_workers_replaced_total{{{SERVICE}}}[15m])", "{{instance}}"),),
            "Over 15 minutes. PhizWorkersEnd fires above three.",
        ),
    ),
    "Results": (
        Graph(
            "Faces per second",
            "none",
            ((rate("phiz_faces_total", SELECTED, "model"), "{{model}}"),),
            "Faces returned.",
        ),
        Graph(
            "Faces per image",
            "none",
            ((FACES_A_PICTURE, "{{model}}"),),
            "A sudden change comes from other images or from other models.",
        ),
        Graph(
            "Images",
            "none",
            ((rate("phiz_pictures_total", SELECTED, "model, outcome"), "{{model}} {{outcome}}"),),
            "A batch counts each of its images.",
        ),
    ),
    "Replicas": (
        Graph(
            "Replicas by version",
            "none",
            ((f"count by (version) (phiz_build_info{{{SERVICE}}})", "{{version}}"),),
            "More than one version appears only during an update.",
            as_number=True,
        ),
        Graph(
            "Replicas by model",
            "none",
            ((f"count by (model, kind) (phiz_model_info{{{SERVICE}}})", "{{model}} ({{kind}})"),),
            "A replica starts with all its models verified, or not at all.",
            as_number=True,
        ),
        Graph(
            "Workers",
            "none",
            ((f"sum by (instance) (phiz_workers{{{SERVICE}}})", "{{instance}}"),),
            "Worker processes of each replica.",
            as_number=True,
        ),
    ),
}
