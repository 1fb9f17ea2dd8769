"""A cluster of Ray on this machine that serves phiz: ``python cluster.py PORT``, until SIGTERM."""

import logging
import signal
import sys
from typing import Final

import ray
from ray import serve

from phiz.ray.serve import DEPLOYMENT_NAME, deployment

PROCESSORS: Final = 4  # as it is told; replicas need so many, however many there are
SCALING: Final = {
    "min_replicas": 1,
    "max_replicas": 2,
    "target_ongoing_requests": 2,
    "upscale_delay_s": 0.5,
    "downscale_delay_s": 2,
    "look_back_period_s": 1,
    "metrics_interval_s": 0.2,
}


def main(port: int) -> None:
    """Serve until told to stop."""
    ray.init(
        address="local",
        num_cpus=PROCESSORS,
        include_dashboard=False,
        object_store_memory=100 << 20,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        serve.start(http_options={"port": port})
        quick = deployment.options(
            autoscaling_config=SCALING, health_check_period_s=0.5, graceful_shutdown_wait_loop_s=0.1
        )
        serve.run(quick.bind(), name=DEPLOYMENT_NAME)
        address = ray.get_runtime_context().gcs_address
        sys.stdout.write(f"phiz listens on http://127.0.0.1:{port} in the cluster {address}\n")
        sys.stdout.flush()
        signal.pause()
    finally:
        serve.shutdown()
        ray.shutdown()


if __name__ == "__main__":
    main(int(sys.argv[1]))
