"""A server of the benchmark of scaling: phiz in Ray Serve, one replica with one worker.

::

    python in_ray.py PORT
"""

import logging
import signal
import sys

import ray
from ray import serve

from phiz.ray.serve import deployment

PROCESSORS = 2  # that Ray is told of, however many it is kept to


def main(port: int) -> None:
    """Serve until told to stop."""
    ray.init(
        address="local",
        num_cpus=PROCESSORS,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        serve.start(http_options={"port": port})
        serve.run(deployment.options(autoscaling_config=None, num_replicas=1).bind())
        signal.pause()
    finally:
        serve.shutdown()
        ray.shutdown()


if __name__ == "__main__":
    main(int(sys.argv[1]))
