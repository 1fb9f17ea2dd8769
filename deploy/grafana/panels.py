"""What the dashboard shows: rows of graphs with their queries.

The queries are for Prometheus, with the metrics of docs/service.md and the recorded figures of
deploy/prometheus/rules.yml. ``$model`` and ``$__rate_interval`` are filled in by Grafana.
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
        title: Above it.
        unit: Grafana's name of the unit.
        queries: Each with the name of its lines.
        description: What it tells, shown when it is asked for.
        as_number: Whether only the newest value is shown.
    """

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    description: str
    as_number: bool = False


def build_rate_query(metric: str, selector: str, by: str) -> str:
    """Return the query of how fast counters grow, summed by labels."""
    return f"sum by ({by}) (rate({metric}{{{selector}}}[$__rate_interval]))"


def build_quantile_query(share: float, metric: str, selector: str, by: str) -> str:
    """Return the query of what a share of a histogram's observations lies within."""
    buckets = build_rate_query(f"{metric}_bucket", selector, f"le, {by}")
    return f"histogram_quantile({share}, {buckets})"


def build_mean_query(metric: str, selector: str, by: str) -> str:
    """Return the query of the mean of a histogram's observations."""
    total = build_rate_query(f"{metric}_sum", selector, by)
    return f"{total} / {build_rate_query(f'{metric}_count', selector, by)}"


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
            "Detection requests by the model asked for, whatever became of them.",
        ),
        PanelSpec(
            "Outcomes",
            "reqps",
            ((build_rate_query("phiz_request_seconds_count", SELECTED, "outcome"), "{{outcome}}"),),
            "ok, or the code of the error.",
        ),
        PanelSpec(
            "Errors of the service",
            "percentunit",
            (("phiz:errors:ratio5m", "of all {{of}}"),),
            "What callers could not help, over five minutes. PhizErrors fires above 5 % of either.",
        ),
    ),
    "Time": (
        PanelSpec(
            "Half of the answers within",
            "s",
            ((build_quantile_query(0.5, "phiz_request_seconds", ANSWERED, "model"), "{{model}}"),),
            "From the headers of a request to its answer, so with the time that its body takes.",
        ),
        PanelSpec(
            "99 of 100 answers within",
            "s",
            ((build_quantile_query(0.99, "phiz_request_seconds", ANSWERED, "model"), "{{model}}"),),
            "PhizSlow fires above one second.",
        ),
        PanelSpec(
            "Mean time of each stage",
            "s",
            (
                (
                    build_mean_query("phiz_stage_seconds", SELECTED, "model, stage"),
                    "{{model}} {{stage}}",
                ),
            ),
            "receive is a body on its way; pnet, rnet and onet are parts of inference.",
        ),
    ),
    "How near to its limits": (
        PanelSpec(
            "Workers and processors that are busy",
            "percentunit",
            (
                ("phiz:workers:busy_ratio5m", "{{instance}} workers"),
                ("phiz:processors:busy_ratio5m", "{{instance}} processors"),
            ),
            "Over five minutes. PhizSaturated fires above 90 % of either.",
        ),
        PanelSpec(
            "What one more request would wait",
            "s",
            ((f"phiz_queue_wait_seconds{{{SERVICE}}}", "{{instance}}"),),
            "PhizSaturated fires above two seconds; above half the deadline requests are refused.",
        ),
        PanelSpec(
            "Requests that wait, and in flight",
            "none",
            (
                (f"phiz_queue_depth{{{SERVICE}}}", "{{instance}} wait"),
                (f"phiz_inflight_requests{{{SERVICE}}}", "{{instance}} in flight"),
            ),
            "Those in flight include bodies that are still coming.",
        ),
        PanelSpec(
            "Refused before any work",
            "reqps",
            ((build_rate_query("phiz_rejected_total", SERVICE, "reason"), "{{reason}}"),),
            "By the code of the error. PhizSaturated fires where 1 % are overloaded.",
        ),
        PanelSpec(
            "Memory",
            "bytes",
            (("phiz:resident_bytes", "{{instance}}"),),
            "Of all processes of a replica. PhizMemoryGrows looks for a ramp.",
        ),
        PanelSpec(
            "Workers replaced",
            "none",
            ((f"increase(phiz_workers_replaced_total{{{SERVICE}}}[15m])", "{{instance}}"),),
            "In 15 minutes. PhizWorkersEnd fires above three.",
        ),
    ),
    "What it finds": (
        PanelSpec(
            "Faces a second",
            "none",
            ((build_rate_query("phiz_faces_total", SELECTED, "model"), "{{model}}"),),
            "Faces answered.",
        ),
        PanelSpec(
            "Faces a picture",
            "none",
            ((FACES_PER_IMAGE, "{{model}}"),),
            "A sudden change is one of what is sent, or of the models.",
        ),
        PanelSpec(
            "Pictures",
            "none",
            (
                (
                    build_rate_query("phiz_pictures_total", SELECTED, "model, outcome"),
                    "{{model}} {{outcome}}",
                ),
            ),
            "Several in a batch.",
        ),
    ),
    "What runs": (
        PanelSpec(
            "Replicas by version",
            "none",
            ((f"count by (version) (phiz_build_info{{{SERVICE}}})", "{{version}}"),),
            "More than one version only while one takes the place of another.",
            as_number=True,
        ),
        PanelSpec(
            "Replicas by model",
            "none",
            ((f"count by (model, kind) (phiz_model_info{{{SERVICE}}})", "{{model}} ({{kind}})"),),
            "A replica begins with all its models verified, or not at all.",
            as_number=True,
        ),
        PanelSpec(
            "Workers",
            "none",
            ((f"sum by (instance) (phiz_workers{{{SERVICE}}})", "{{instance}}"),),
            "Processes that work, for each replica.",
            as_number=True,
        ),
    ),
}
