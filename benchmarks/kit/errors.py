"""What can go wrong in the load benchmark."""


class LoadError(Exception):
    """A tool is missing, a server does not answer, or not what it should."""
