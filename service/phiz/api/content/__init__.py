"""The content of a body: images and options, in each of the ways that clients send them."""
