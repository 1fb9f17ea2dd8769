"""The interface for Python: detection in process, and the clients of the service."""
