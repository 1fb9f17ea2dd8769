"""What runs a network: two small protocols, and the runtimes behind them."""

from phiz.runtime.session import ComputePrecision, Runtime, Session

__all__ = ["ComputePrecision", "Runtime", "Session"]
