"""Worker processes: the pool, its supervisor, and the loop inside each of them."""
