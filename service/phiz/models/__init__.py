"""The models: their specifications and the sources of their numbers."""
