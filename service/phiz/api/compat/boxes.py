"""Boxes of answers as other servers have them: the corners in whole pixels."""

from phiz.wire.schemas import JsonObject


def round_box(box: JsonObject) -> JsonObject:
    """Return the corners of a box in whole pixels."""
    return {
        "x_min": round(box["x"]),
        "y_min": round(box["y"]),
        "x_max": round(box["x"] + box["width"]),
        "y_max": round(box["y"] + box["height"]),
    }
