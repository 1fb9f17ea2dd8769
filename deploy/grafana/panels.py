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
class PanelSpec:
    """A panel.

    Attributes:
        title: Its title.
        unit: Grafana's name of the unit.
        queries: Pairs of a query and the legend of its lines.
        description: Its description, shown on request.
        as_number: Whether it shows only the newest value.
    """

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    description: str
    as_number: bool = False


def build_rate_query(metric: str, selector: str, by: str) -> str:
    """Return the query for the rate of counters, summed by labels."""
    return f"sum by ({by}) (rate({metric}{{{selector}}}[$__rate_interval]))"


def build_quantile_query(share: float, metric: str, selector: str, by: str) -> str:
    """Return the query for a quantile of a histogram."""
    buckets = build_rate_query(f"{metric}_bucket", selector, f"le, {by}")
    return f"histogram_quantile({share}, {buckets})"


def build_mean_query(metric: str, selector: str, by: str) -> str:
    """Return the query for the mean of a histogram."""
    total, count = (build_rate_query(f"{metric}_{part}", selector, by) for part in ("sum", "count"))
    return f"{total} / {count}"


FACES_PER_IMAGE: Final = (
    f"{build_rate_query('phiz_faces_total', SELECTED, 'model')}"
    f" / {build_rate_query('phiz_pictures_total', ANSWERED, 'model')}"
)

ROWS: Final = {
    "Requests": (
        PanelSpec(
            "Requests",
            "reqps",
            ((build_rate_query("phiz_request_seconds_count", SELECTED, "model"), "{{model}}"),),
            "Detection requests by requested model, with any outcome.",
        ),
        PanelSpec(
            "Outcomes",
            "reqps",
            ((build_rate_query("phiz_request_seconds_count", SELECTED, "outcome"), "{{outcome}}"),),
            "ok, or the error code.",
        ),
        PanelSpec(
            "Service errors",
            "percentunit",
            (("phiz:errors:ratio5m", "of {{of}}"),),
            "Failures of the service over five minutes. PhizErrors fires above 5 % of either.",
        ),
    ),
    "Latency": (
        PanelSpec(
            "Median latency",
            "s",
            ((build_quantile_query(0.5, "phiz_request_seconds", ANSWERED, "model"), "{{model}}"),),
            "From a request's headers to its answer, so it includes the upload of the body.",
        ),
        PanelSpec(
            "99th percentile latency",
            "s",
            ((build_quantile_query(0.99, "phiz_request_seconds", ANSWERED, "model"), "{{model}}"),),
            "PhizSlow fires above one second.",
        ),
        PanelSpec(
            "Mean time per stage",
            "s",
            (
                (
                    build_mean_query("phiz_stage_seconds", SELECTED, "model, stage"),
                    "{{model}} {{stage}}",
                ),
            ),
            "receive is the upload of the body; pnet, rnet and onet are parts of inference.",
        ),
    ),
    "Saturation": (
        PanelSpec(
            "Busy workers and processors",
            "percentunit",
            (
                ("phiz:workers:busy_ratio5m", "{{instance}} workers"),
                ("phiz:processors:busy_ratio5m", "{{instance}} processors"),
            ),
            "Over five minutes. PhizSaturated fires above 90 % of either.",
        ),
        PanelSpec(
            "Queue wait of the next request",
            "s",
            ((f"phiz_queue_wait_seconds{{{SERVICE}}}", "{{instance}}"),),
            "PhizSaturated fires above two seconds; above half the deadline, requests are refused.",
        ),
        PanelSpec(
            "Queued and in-flight requests",
            "none",
            (
                (f"phiz_queue_depth{{{SERVICE}}}", "{{instance}} queued"),
                (f"phiz_inflight_requests{{{SERVICE}}}", "{{instance}} in flight"),
            ),
            "Requests in flight include those whose bodies are still arriving.",
        ),
        PanelSpec(
            "Refused requests",
            "reqps",
            ((build_rate_query("phiz_rejected_total", SERVICE, "reason"), "{{reason}}"),),
            "Refused before any work, by error code. PhizSaturated fires above 1 % overloaded.",
        ),
        PanelSpec(
            "Memory",
            "bytes",
            (("phiz:resident_bytes", "{{instance}}"),),
            "Resident memory of all processes of a replica. PhizMemoryGrows detects a ramp.",
        ),
        PanelSpec(
            "Workers replaced",
            "none",
            ((f"increase(phiz_workers_replaced_total{{{SERVICE}}}[15m])", "{{instance}}"),),
            "Over 15 minutes. PhizWorkersEnd fires above three.",
        ),
    ),
    "Results": (
        PanelSpec(
            "Faces per second",
            "none",
            ((build_rate_query("phiz_faces_total", SELECTED, "model"), "{{model}}"),),
            "Faces returned.",
        ),
        PanelSpec(
            "Faces per image",
            "none",
            ((FACES_PER_IMAGE, "{{model}}"),),
            "A sudden change comes from other images or from other models.",
        ),
        PanelSpec(
            "Images",
            "none",
            (
                (
                    build_rate_query("phiz_pictures_total", SELECTED, "model, outcome"),
                    "{{model}} {{outcome}}",
                ),
            ),
            "A batch counts each of its images.",
        ),
    ),
    "Replicas": (
        PanelSpec(
            "Replicas by version",
            "none",
            ((f"count by (version) (phiz_build_info{{{SERVICE}}})", "{{version}}"),),
            "More than one version appears only during an update.",
            as_number=True,
        ),
        PanelSpec(
            "Replicas by model",
            "none",
            ((f"count by (model, kind) (phiz_model_info{{{SERVICE}}})", "{{model}} ({{kind}})"),),
            "A replica starts with all its models verified, or not at all.",
            as_number=True,
        ),
        PanelSpec(
            "Workers",
            "none",
            ((f"sum by (instance) (phiz_workers{{{SERVICE}}})", "{{instance}}"),),
            "Worker processes of each replica.",
            as_number=True,
        ),
    ),
}
