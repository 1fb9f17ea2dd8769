"""BlazeFace on a GPU beside the processor."""
