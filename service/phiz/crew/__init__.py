"""Processes that work for the service, and how it talks to them."""
