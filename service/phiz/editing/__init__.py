"""Pictures out: faces drawn, cropped and covered, and the files that hold them."""
