"""Answers that are images: their format, and how they are sent."""
