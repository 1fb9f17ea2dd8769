"""A service whose workers are doubles: ``python doubled.py BOUNDS COMMAND…``."""

import json
import sys
from collections.abc import Sequence

from phiz.api.access_log import LoggedRequests
from phiz.api.app import create_app
from phiz.api.security.cors import CorsRules
from phiz.api.server.server import bind_socket, format_url, run_server
from phiz.api.service import MAX_CONNECTIONS, RequestLimits
from phiz.system.logs import configure_logging

MAX_BYTES = 10**6


def doubled(command: Sequence[str], **bounds: float | str) -> list[str]:
    """Return what serves with this command as its worker, and with these arguments of `serve`."""
    return [sys.executable, __file__, json.dumps(bounds), *command]


def serve(
    command: Sequence[str],
    *,
    deadline_s: float = 10,
    queue: int | None = None,
    hangs_s: float = 2,
    head_s: float = 20,
    connections: int = MAX_CONNECTIONS,
    drain_s: int = 5,
    logged: LoggedRequests = "none",
    cors: str = "",
) -> None:
    limits = RequestLimits(
        MAX_BYTES, deadline_s=deadline_s, max_queued=queue, hang_timeout_s=hangs_s
    )
    listener = bind_socket("127.0.0.1", 0)
    ready = lambda: print(f"phiz listens on {format_url(listener)}", flush=True)  # noqa: E731, T201
    run_server(
        create_app(command, 1, limits),
        listener,
        drain_s,
        ready,
        max_connections=connections,
        head_timeout_s=head_s,
        logged_requests=logged,
        cors=CorsRules.from_setting([cors]) if cors else None,
    )


if __name__ == "__main__":
    configure_logging("text")
    serve(sys.argv[2:], **json.loads(sys.argv[1]))
