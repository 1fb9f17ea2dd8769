"""What runs a network: two small protocols, and the runtimes behind them."""

from phiz.runtime.session import Precision, Runtime, Session

__all__ = ["Precision", "Runtime", "Session"]
