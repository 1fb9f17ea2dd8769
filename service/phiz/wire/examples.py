"""Example answers: two of the test images on a common processor."""

from phiz.wire.schemas import JsonObject

# selfie_360x640.png
DETECT_EXAMPLE: JsonObject = {
    "model": "auto",
    "image": {"width": 360, "height": 640},
    "faces": [
        {
            "box": {"x": 103.52, "y": 179.86, "width": 124.58, "height": 155.92},
            "score": 0.9999,
            "landmarks": {
                "left_eye": {"x": 137.96, "y": 234.04},
                "right_eye": {"x": 198.12, "y": 236.92},
                "nose": {"x": 167.66, "y": 272.93},
                "mouth_left": {"x": 134.62, "y": 287.92},
                "mouth_right": {"x": 195.68, "y": 290.51},
            },
            "model": "mtcnn",
        }
    ],
    "route": [
        {
            "model": "back",
            "ran": True,
            "faces": 1,
            "reason": "first_pass",
            "why": "back is the most accurate model for the first pass",
        },
        {
            "model": "mtcnn",
            "ran": True,
            "faces": 1,
            "reason": "not_close_up",
            "why": "the first pass found no close-up; searching for faces of 40 px and larger",
        },
        {
            "model": "mtcnn",
            "ran": False,
            "faces": 0,
            "reason": "too_few_expected",
            "why": "skipped faces of 24 px: 0.1 faces below 64 px expected, 0.8 needed",
        },
    ],
    "timing_ms": {
        "queue": 0.003,
        "decode": 4.256,
        "preprocess": 2.612,
        "inference": 5.966,
        "postprocess": 1.851,
        "pnet": 1.263,
        "rnet": 0.471,
        "onet": 0.573,
        "total": 14.687,
    },
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
