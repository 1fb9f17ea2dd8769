"""``phiz serve``: answer over HTTP."""

import signal
import sys
from types import FrameType
from typing import NoReturn

import click

# How the address begins that Kubernetes sets PHIZ_PORT to, in every container beside a service
# that is called phiz.
_SERVICE_SCHEMES = ("tcp://", "udp://", "sctp://")


class _PortOption(click.Option):
    """An option whose variable may hold the address of a service: then it is not set."""

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """Return the value of the variable, or None."""
        value = super().resolve_envvar_value(ctx)
        return None if value and value.startswith(_SERVICE_SCHEMES) else value


@click.command()
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    envvar="PHIZ_HOST",
    show_envvar=True,
    help="Address to listen on; 0.0.0.0 for all addresses of this machine.",
)
@click.option(
    "--port",
    cls=_PortOption,
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    envvar="PHIZ_PORT",
    show_envvar=True,
    help="Port to listen on; 0 for any free port.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 1024),
    envvar="PHIZ_WORKERS",
    show_envvar=True,
    help="Number of worker processes.  [default: one per usable processor, if memory allows]",
)
def serve(host: str, port: int, workers: int | None) -> None:
    """Serve detection over HTTP until stopped.

    \b
    GET  /               the page that shows the faces of pictures, for browsers
    POST /detect         find the faces of an image
    POST /detect/batch   find the faces of several images
    POST /crops          cut out the faces of an image
    POST /blur           cover the faces of an image
    POST /classify       classify an image; needs phiz models build --group classify
    WS   /stream         find and follow the faces of a stream of frames
    GET  /models         list the available models
    GET  /study          show the report of phiz study
    GET  /docs           interactive documentation
    GET  /healthz        200 while the process is alive
    GET  /readyz         200 while the service is ready for requests
    GET  /metrics        metrics for Prometheus

    \b
    The same faces for clients of other servers (docs/drop-in.md):
    POST /v1/vision/face             DeepStack, CodeProject.AI
    POST /api/v1/detection/detect    CompreFace
    GET  /v2, /v2/health/ready, …    Open Inference Protocol: health and metadata

    On SIGTERM, SIGHUP or Ctrl+C, requests in progress are finished first.

    \b
    Settings are environment variables:
    PHIZ_MODELS       folder of the built models
    PHIZ_SAMPLING     how images are resized: reference, half-pixel (default) or area
    PHIZ_RUNTIME      onnxruntime (default), openvino, or auto to follow the profile
    PHIZ_PROFILE      choice of phiz study or phiz bench (default: profile.json beside the models)
    PHIZ_PROVIDERS    execution providers of onnxruntime, such as CUDAExecutionProvider
    PHIZ_MAX_BYTES    maximum bytes of an image (default 20 MiB)
    PHIZ_MAX_PIXELS   maximum pixels of an image (default 50 million)
    PHIZ_MAX_PICTURES maximum images per request to /detect/batch (default 16)
    PHIZ_DEADLINE     maximum seconds until an answer (default 10)
    PHIZ_HANG         seconds until a worker that hangs is replaced (default 2)
    PHIZ_QUEUE        maximum queued images (default: as many as can be answered in time)
    PHIZ_BODY_TIMEOUT maximum seconds for a body to arrive (default 30)
    PHIZ_URL_HOSTS    hosts of the option url: public, names, *.names (default: none)
    PHIZ_STREAMS      maximum open streams (default 16)
    PHIZ_COMPAT       interfaces of other servers: deepstack,compreface,kserve (default), or none
    PHIZ_API_KEYS     file of the API keys that requests need (default: none; see phiz key)
    PHIZ_RATE         requests of each client, such as 20/s (default: no limit)
    PHIZ_CORS_ORIGINS origins whose web pages may read the answers; * for all (default: none)
    PHIZ_METRICS_PORT port for /metrics alone (default: the port of the service)
    PHIZ_LOG          text (default) or json, which also logs every request
    PHIZ_LOG_REQUESTS logged requests: all, failed or none (default: depends on PHIZ_LOG)
    PHIZ_DRAIN        seconds for requests in progress when stopped (default 30)
    OTEL_...          OpenTelemetry's variables; OTEL_TRACES_EXPORTER=otlp sends traces
    """  # noqa: D301  click keeps the lines after a true backspace character
    # Until the server takes care of it: the first process of a container would not end otherwise.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _exit_on_signal)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup has it
        signal.signal(signal.SIGHUP, _exit_on_signal)
    for number in (signal.SIGUSR1, signal.SIGUSR2):  # other servers open their logs again
        signal.signal(number, signal.SIG_IGN)
    # The server takes a while to import: --help should not wait, and a signal be heard by then.
    from phiz.cli.serve_run import run_service  # noqa: PLC0415

    run_service(host, port, workers)


def _exit_on_signal(_number: int, _frame: FrameType | None) -> NoReturn:
    """End with success: nothing has begun that would have to be ended."""
    sys.exit(0)
