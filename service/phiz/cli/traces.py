"""Traces of the service, if the variables of OpenTelemetry ask for them."""

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
    """Yield the tracer of requests, or None if no traces are asked for.

    Args:
        variables: The environment.

    Raises:
        SettingError: The exporter or its protocol is not supported, or a package is missing.
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
        # Not at the top: only the extra installs OpenTelemetry.
        from phiz.api.spans import RequestTracer  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("opentelemetry"):
            raise
        raise SettingError(
            f"{EXPORTER_VARIABLE} is otlp, but OpenTelemetry is not installed; install it with:"
            " pip install 'phiz[otel]'"
        ) from error
    return RequestTracer.from_environment()
