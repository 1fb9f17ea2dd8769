"""Variables of the clusters that the tests start."""

from pathlib import Path

RAY = {
    "PYTHONPATH": str(Path(__file__).with_name("quick")),
    "RAY_AUTH_MODE": "disabled",  # nobody else reaches it, and a token would stay
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_raylet_start_wait_time_s": "120",  # on a machine that is busy
}
