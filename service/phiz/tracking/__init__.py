"""Faces from frame to frame: their ids, and steadier boxes and landmarks."""
