"""The HTTP shell around the engine."""
