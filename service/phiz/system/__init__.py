"""The host of this process: limits, memory, scheduling and logs."""
