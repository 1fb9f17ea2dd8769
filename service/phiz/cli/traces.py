"""Whether traces are sent, by the variables that OpenTelemetry has for it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from phiz.errors import SettingError

if TYPE_CHECKING:
    from phiz.api.spans import Spans

EXPORTER = "OTEL_TRACES_EXPORTER"
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
SPOKEN = "http/protobuf"


@contextmanager
def sent(variables: Mapping[str, str]) -> "Iterator[Spans | None]":
    """Give what sends the spans of requests, or None if nobody asks for them.

    Args:
        variables: Of the environment.

    Raises:
        SettingError: They are asked for in a way that there is not, or its packages are missing.
    """
    spans = _open(variables)
    try:
        yield spans
    finally:
        if spans is not None:
            spans.close()


def _open(variables: Mapping[str, str]) -> "Spans | None":
    exporter = variables.get(EXPORTER) or "none"
    if exporter == "none" or variables.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    if exporter != "otlp":
        raise SettingError(f"{EXPORTER} is {exporter!r}; it must be otlp or none")
    for name in PROTOCOLS:
        if variables.get(name) not in {None, "", SPOKEN}:
            raise SettingError(f"{name} is {variables[name]!r}; it must be {SPOKEN}")
    try:
        # Not at the top: without traces nobody needs it, nor has it to be there.
        from phiz.api.spans import Spans  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("opentelemetry"):
            raise
        raise SettingError(
            f"{EXPORTER} is otlp, and OpenTelemetry is not installed; install phiz with its extra:"
            " pip install 'phiz[otel]'"
        ) from error
    return Spans.exported()
