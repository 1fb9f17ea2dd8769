"""Example answers: two of the test images on a common processor."""

from phiz.wire.schemas import JsonObject

# selfie_360x640.png
DETECT_EXAMPLE: JsonObject = {
    "model": "auto",
    "image": {"width": 360, "height": 640},
    "faces": [
        {
            "box": {"x": 105.1, "y": 178.77, "width": 123.62, "height": 158.02},
            "score": 0.9997,
            "landmarks": {
                "left_eye": {"x": 138.43, "y": 233.39},
                "right_eye": {"x": 200.03, "y": 237.88},
                "nose": {"x": 168.46, "y": 273.34},
                "mouth_left": {"x": 134.95, "y": 288.4},
                "mouth_right": {"x": 196.18, "y": 292.61},
            },
            "model": "yunet",
        }
    ],
    "route": [
        {
            "model": "yunet",
            "ran": True,
            "faces": 1,
            "reason": "first_pass",
            "why": "yunet finds close-ups in a small copy",
        },
        {
            "model": "centerface",
            "ran": False,
            "faces": 0,
            "reason": "close_up",
            "why": "skipped: every face that yunet found is a close-up",
        },
    ],
    "timing_ms": {
        "queue": 0.003,
        "decode": 4.256,
        "preprocess": 0.936,
        "inference": 2.403,
        "postprocess": 0.674,
        "onet": 0.398,
        "total": 8.272,
    },
}

CROP_EXAMPLE: JsonObject = {
    **DETECT_EXAMPLE,
    "faces": [
        {
            **DETECT_EXAMPLE["faces"][0],
            "crop": {
                "media_type": "image/jpeg",
                "size": 112,
                "align": "eyes",
                "transform": [[0.571434, 0.041668, -50.525], [-0.041668, 0.571434, -75.97]],
                "file": "face-1.jpg",
            },
        }
    ],
    "timing_ms": {**DETECT_EXAMPLE["timing_ms"], "render": 3.421, "total": 11.693},
}

# row_960x540.png; int8 scores depend on the processor.
CLASSIFY_EXAMPLE: JsonObject = {
    "model": "efficientnet",
    "precision": "float32",
    "classes": [
        {"index": 667, "label": "graduation cap", "score": 0.266},
        {"index": 457, "label": "bow tie", "score": 0.1248},
        {"index": 818, "label": "spotlight", "score": 0.0627},
        {"index": 400, "label": "academic gown", "score": 0.0526},
        {"index": 633, "label": "loupe magnifying glass", "score": 0.0424},
    ],
    "timing_ms": {
        "queue": 0.009,
        "decode": 9.506,
        "preprocess": 3.907,
        "inference": 8.732,
        "postprocess": 0.199,
        "total": 22.353,
    },
}
