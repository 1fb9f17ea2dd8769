"""Whether traces are sent, by the variables that OpenTelemetry has for it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from phiz.errors import SettingError

if TYPE_CHECKING:
    from phiz.api.spans import RequestTracer

EXPORTER_VARIABLE = "OTEL_TRACES_EXPORTER"
PROTOCOL_VARIABLES = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
SUPPORTED_PROTOCOL = "http/protobuf"


@contextmanager
def open_tracer(variables: Mapping[str, str]) -> "Iterator[RequestTracer | None]":
    """Give what sends the spans of requests, or None if nobody asks for them.

    Args:
        variables: Of the environment.

    Raises:
        SettingError: They are asked for in a way that there is not, or its packages are missing.
    """
    spans = _create_tracer(variables)
    try:
        yield spans
    finally:
        if spans is not None:
            spans.close()


def _create_tracer(variables: Mapping[str, str]) -> "RequestTracer | None":
    exporter = variables.get(EXPORTER_VARIABLE) or "none"
    if exporter == "none" or variables.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    if exporter != "otlp":
        raise SettingError(f"{EXPORTER_VARIABLE} is {exporter!r}; it must be otlp or none")
    for name in PROTOCOL_VARIABLES:
        if variables.get(name) not in {None, "", SUPPORTED_PROTOCOL}:
            raise SettingError(f"{name} is {variables[name]!r}; it must be {SUPPORTED_PROTOCOL}")
    try:
        # Not at the top: without traces nobody needs it, nor has it to be there.
        from phiz.api.spans import RequestTracer  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("opentelemetry"):
            raise
        raise SettingError(
            f"{EXPORTER_VARIABLE} is otlp, but OpenTelemetry is not installed; install it with:"
            " pip install 'phiz[otel]'"
        ) from error
    return RequestTracer.from_environment()
