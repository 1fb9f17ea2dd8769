"""Arithmetic on boxes: pure numpy, without images or models."""
