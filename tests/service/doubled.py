"""A service whose workers are doubles.

``python doubled.py WORKERS DEADLINE QUEUE HANGS HEAD DRAIN COMMAND…``; no queue is one without a
limit.
"""

import sys
from collections.abc import Sequence

from phiz.api.app import create_app
from phiz.api.server import bind_socket, format_url, run_server
from phiz.api.service import RequestLimits

MAX_BYTES = 10**6


def doubled(
    command: Sequence[str],
    workers: int = 1,
    deadline_s: float = 10,
    queue: int | None = None,
    hangs_s: float = 30,
    head_s: float = 20,
    drain_s: int = 5,
) -> list[str]:
    bounds = (
        f"{workers}",
        f"{deadline_s}",
        f"{queue or ''}",
        f"{hangs_s}",
        f"{head_s}",
        f"{drain_s}",
    )
    return [sys.executable, __file__, *bounds, *command]


def main(
    workers: str,
    deadline_s: str,
    queue: str,
    hangs_s: str,
    head_s: str,
    drain_s: str,
    *command: str,
) -> None:
    bounds = RequestLimits(
        MAX_BYTES,
        deadline_s=float(deadline_s),
        max_queued=int(queue) if queue else None,
        hang_timeout_s=float(hangs_s),
    )
    listener = bind_socket("127.0.0.1", 0)
    app = create_app(command, int(workers), bounds)
    ready = lambda: print(f"phiz listens on {format_url(listener)}", flush=True)  # noqa: E731, T201
    run_server(app, listener, int(drain_s), ready, head_timeout_s=float(head_s))


if __name__ == "__main__":
    main(*sys.argv[1:])
