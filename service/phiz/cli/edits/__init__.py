"""The commands that make images of images: ``phiz blur`` and ``phiz crops``."""
