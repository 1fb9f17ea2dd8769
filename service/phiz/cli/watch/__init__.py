"""``phiz watch``: the faces of cameras and videos."""
