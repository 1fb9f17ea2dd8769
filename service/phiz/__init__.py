"""Face detection as a microservice."""

__version__ = "0.1.0"
