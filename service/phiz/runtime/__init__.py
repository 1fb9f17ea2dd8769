"""Runtimes of networks: two small protocols, and their implementations."""

from phiz.runtime.session import ComputePrecision, Runtime, Session

__all__ = ["ComputePrecision", "Runtime", "Session"]
