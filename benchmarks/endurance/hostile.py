"""Images that cost far more than their bytes."""

from typing import Final

WEBP_34_BYTES: Final = bytes.fromhex(
    "524946461a000000574542505650384c0e0000002ffeffed02071011fd0f4444ff03"
)
"""A valid WebP of 16,383 × 3,000 in one colour."""
