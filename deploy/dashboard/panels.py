"""The contents of the dashboard: rows of panels with their queries.

Grafana's dashboard and the console page of Prometheus are made of this. The queries use the metrics
of docs/metrics.md and the recording rules of deploy/prometheus/rules.yml. Grafana and the page fill
in ``$model`` and ``$__rate_interval``.
"""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Kind: TypeAlias = Literal["lines", "areas", "heatmap", "number"]

COLUMNS: Final = 24  # of a row, as Grafana counts
SELECTED: Final = 'job="phiz", model=~"$model"'
ANSWERED: Final = f'{SELECTED}, outcome="ok"'
SERVICE: Final = 'job="phiz"'
FIRING: Final = 'ALERTS{alertname=~"Phiz.+", alertstate="firing"}'
# In the order of an image; pnet, rnet and onet are parts of inference.
STAGES: Final = ("receive", "queue", "decode", "preprocess", "inference", "postprocess", "render")
RUNBOOKS: Final = "https://github.com/phiz-dev/phiz/blob/main/docs/deploying.md"
DOCUMENTS: Final = {
    "Runbooks": f"{RUNBOOKS}#when-an-alert-fires",
    "Metrics": "https://github.com/phiz-dev/phiz/blob/main/docs/metrics.md",
}
MODELS_QUERY: Final = 'phiz_request_seconds_count{job="phiz"}'  # each model is one label of it


@dataclass(frozen=True, slots=True)
class AlertLimit:
    """A comparison of an alert, whose number deploy/prometheus/rules.yml has.

    Attributes:
        alert: The alert's name.
        metric: The metric or recorded series that it compares.
    """

    alert: str
    metric: str


@dataclass(frozen=True, slots=True)
class Threshold:
    """A value and the colour of everything above it."""

    value: float
    colour: str


@dataclass(frozen=True, slots=True)
class PanelSpec:
    """A panel.

    Attributes:
        title: Its title.
        unit: Grafana's name of the unit.
        queries: Pairs of a query and the legend of its lines.
        description: Its description, shown on request.
        kind: Its form. A number shows only the newest value, areas are stacked, and a heat map
            shows how many requests fell into each bucket.
        width: Its width in columns.
        limit: The limit above which an alert fires and the panel changes its colour.
        alerts: Further alerts whose runbooks help.
        empty: The text that a number shows while there is no value.
    """

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    description: str
    kind: Kind = "lines"
    width: int = 8
    limit: AlertLimit | Threshold | None = None
    alerts: tuple[str, ...] = ()
    empty: str = "no data"

    @property
    def runbooks(self) -> tuple[str, ...]:
        """The alerts whose runbooks help, that of the limit first."""
        first = (self.limit.alert,) if isinstance(self.limit, AlertLimit) else ()
        return first + self.alerts


def build_runbook_address(alert: str) -> str:
    """Return the address of an alert's runbook."""
    return f"{RUNBOOKS}#{alert.lower()}"


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


def build_bucket_query(metric: str, selector: str) -> str:
    """Return the query for the observations of a histogram, by the upper end of their bucket."""
    return f"sum by (le) (increase({metric}_bucket{{{selector}}}[$__rate_interval]))"


FACES_PER_IMAGE: Final = (
    f"{build_rate_query('phiz_faces_total', SELECTED, 'model')}"
    f" / {build_rate_query('phiz_pictures_total', ANSWERED, 'model')}"
)

# A ratio without requests is NaN, which no comparison holds for.
NUMBERS: Final = (
    PanelSpec(
        "Requests per second",
        "reqps",
        ((f"sum(rate(phiz_request_seconds_count{{{SELECTED}}}[$__rate_interval]))", ""),),
        "Detection requests, with any outcome.",
        kind="number",
        width=5,
    ),
    PanelSpec(
        "99th percentile latency",
        "s",
        ((f"max(phiz:request_seconds:p99_5m{{{SELECTED}}} >= 0)", ""),),
        "One in 100 answers of the slowest model takes longer. Over five minutes.",
        kind="number",
        width=5,
        limit=AlertLimit("PhizSlow", "phiz:request_seconds:p99_5m"),
        empty="no requests",
    ),
    PanelSpec(
        "Errors",
        "percentunit",
        ((f"max(phiz:errors:ratio5m{{{SERVICE}}} >= 0)", ""),),
        "Requests or images that failed because of the service, the larger share of both. Over five"
        " minutes.",
        kind="number",
        width=5,
        limit=AlertLimit("PhizErrors", "phiz:errors:ratio5m"),
        empty="no requests",
    ),
    PanelSpec(
        "Busy workers",
        "percentunit",
        ((f"max(phiz:workers:busy_ratio5m{{{SERVICE}}})", ""),),
        "Share of their time that the workers of the busiest replica are busy. Over five minutes.",
        kind="number",
        width=5,
        limit=AlertLimit("PhizSaturated", "phiz:workers:busy_ratio5m"),
    ),
    PanelSpec(
        "Firing alerts",
        "none",
        ((f"count({FIRING}) or vector(0)", ""),),
        "Each alert has a runbook; the link Runbooks leads to them.",
        kind="number",
        width=4,
        limit=Threshold(0.5, "red"),
    ),
)

ROWS: Final = {
    "Now": NUMBERS,
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
            ((f"phiz:errors:ratio5m{{{SERVICE}}}", "of {{of}}"),),
            "Failures of the service over five minutes.",
            limit=AlertLimit("PhizErrors", "phiz:errors:ratio5m"),
        ),
    ),
    "Latency": (
        PanelSpec(
            "Latency of requests",
            "s",
            ((build_bucket_query("phiz_request_seconds", ANSWERED), "{{le}}"),),
            "Answered requests by their latency. A colour is a number of requests: the stronger it"
            " is, the more requests took about so long.",
            kind="heatmap",
            width=12,
            alerts=("PhizSlow",),
        ),
        PanelSpec(
            "Mean time per stage",
            "s",
            tuple(
                (
                    build_mean_query("phiz_stage_seconds", f'{SELECTED}, stage="{stage}"', "stage"),
                    "{{stage}}",
                )
                for stage in STAGES
            ),
            "Stacked, so the height below the stage render is the mean time of an image. The stage"
            " receive is the upload of a request's body. Only images that are answered have the"
            " stage render.",
            kind="areas",
            width=12,
            alerts=("PhizSlow",),
        ),
        PanelSpec(
            "Median latency",
            "s",
            ((build_quantile_query(0.5, "phiz_request_seconds", ANSWERED, "model"), "{{model}}"),),
            "From a request's headers to its answer, so it includes the upload of the body.",
            width=12,
        ),
        PanelSpec(
            "99th percentile latency by model",
            "s",
            ((build_quantile_query(0.99, "phiz_request_seconds", ANSWERED, "model"), "{{model}}"),),
            "One in 100 answers takes longer.",
            width=12,
            limit=AlertLimit("PhizSlow", "phiz:request_seconds:p99_5m"),
        ),
    ),
    "Saturation": (
        PanelSpec(
            "Busy workers and processors",
            "percentunit",
            (
                (f"phiz:workers:busy_ratio5m{{{SERVICE}}}", "{{instance}} workers"),
                (f"phiz:processors:busy_ratio5m{{{SERVICE}}}", "{{instance}} processors"),
            ),
            "Over five minutes.",
            limit=AlertLimit("PhizSaturated", "phiz:processors:busy_ratio5m"),
        ),
        PanelSpec(
            "Queue wait of the next request",
            "s",
            ((f"phiz_queue_wait_seconds{{{SERVICE}}}", "{{instance}}"),),
            "Above half the deadline, requests are refused.",
            limit=AlertLimit("PhizSaturated", "phiz_queue_wait_seconds"),
        ),
        PanelSpec(
            "Queued and in-flight requests",
            "none",
            (
                (f"phiz_queue_depth{{{SERVICE}}}", "{{instance}} queued"),
                (f"phiz_inflight_requests{{{SERVICE}}}", "{{instance}} in flight"),
            ),
            "Requests in flight include those whose bodies are still arriving.",
            alerts=("PhizSaturated",),
        ),
        PanelSpec(
            "Refused requests",
            "reqps",
            ((build_rate_query("phiz_rejected_total", SERVICE, "reason"), "{{reason}}"),),
            "Refused before any work, by error code. PhizSaturated fires above 1 % overloaded.",
            alerts=("PhizSaturated",),
        ),
        PanelSpec(
            "Memory",
            "bytes",
            ((f"phiz:resident_bytes{{{SERVICE}}}", "{{instance}}"),),
            "Resident memory of all processes of a replica.",
            alerts=("PhizMemoryGrows",),
        ),
        PanelSpec(
            "Workers replaced",
            "none",
            ((f"increase(phiz_workers_replaced_total{{{SERVICE}}}[15m])", "{{instance}}"),),
            "Over 15 minutes.",
            limit=AlertLimit("PhizWorkersEnd", "phiz_workers_replaced_total"),
            alerts=("PhizWorkersEndNowAndThen",),
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
            ((build_rate_query("phiz_pictures_total", SELECTED, "outcome"), "{{outcome}}"),),
            "By outcome: ok, or the error code. A batch counts each of its images.",
        ),
    ),
    "Replicas": (
        PanelSpec(
            "Replicas by version",
            "none",
            ((f"count by (version) (phiz_build_info{{{SERVICE}}})", "{{version}}"),),
            "More than one version appears only during an update.",
            kind="number",
            alerts=("PhizDown", "PhizReplicaDown", "PhizReplicaGone"),
        ),
        PanelSpec(
            "Replicas by model",
            "none",
            ((f"count by (model, kind) (phiz_model_info{{{SERVICE}}})", "{{model}} ({{kind}})"),),
            "A replica starts with all its models verified, or not at all.",
            kind="number",
            alerts=("PhizModelNotVerified",),
        ),
        PanelSpec(
            "Workers",
            "none",
            ((f"sum by (instance) (phiz_workers{{{SERVICE}}})", "{{instance}}"),),
            "Worker processes of each replica.",
            kind="number",
            alerts=("PhizReplicaDown", "PhizRestarts"),
        ),
    ),
}
