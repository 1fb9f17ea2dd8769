"""Detectors: from an image to its faces."""
