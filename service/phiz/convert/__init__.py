"""From the source files of the catalogue to verified ONNX files; never imported by serving."""
