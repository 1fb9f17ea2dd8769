"""What runs a network: one small protocol, and the runtimes behind it."""

from phiz.runtime.session import Session

__all__ = ["Session"]
