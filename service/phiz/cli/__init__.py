"""The commands of ``phiz`` that serve, detect and build."""
