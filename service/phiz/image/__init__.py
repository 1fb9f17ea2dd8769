"""From the bytes of an image to its pixels, and from pixels to other sizes."""
