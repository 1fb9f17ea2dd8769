"""The commands of ``phiz`` that measure: ``bench``, ``evaluate`` and ``study``."""
