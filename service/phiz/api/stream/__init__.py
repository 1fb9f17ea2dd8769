"""``WS /stream``: frames in, faces with ids out, and the newest frame wins."""
