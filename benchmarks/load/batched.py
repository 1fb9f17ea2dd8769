"""phiz's service with the worker of ``benchmarks.load.batching`` in the place of its own.

::

    python -m benchmarks.load.batched MOST serve --workers 1 --port PORT
"""

import sys

from phiz.cli import serve_run
from phiz.cli.main import main
from phiz.workers import pool

# So much work ahead a worker is given otherwise that the next call comes without delay; to batch
# calls it must have all that wait.
LOOKAHEAD_S = 60.0

if __name__ == "__main__":
    most = sys.argv.pop(1)
    command = (sys.executable, "-m", "benchmarks.load.batching", most)
    serve_run.WORKER_COMMAND = command  # type: ignore[assignment,attr-defined]  # phiz's own is shorter
    pool.LOOKAHEAD_S = LOOKAHEAD_S  # type: ignore[misc]  # phiz does not change it; this is to see why
    main()
