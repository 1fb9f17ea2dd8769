# ruff: noqa: INP001  no package: it stands in for one
"""Not this package: it parses 38 grammars in each process of Ray, which takes a second."""

raise ImportError
