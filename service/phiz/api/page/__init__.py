"""The page at ``/``: its files, which run without a build step, and their routes."""
