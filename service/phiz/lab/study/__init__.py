"""The study: every way to run every network on this machine."""
