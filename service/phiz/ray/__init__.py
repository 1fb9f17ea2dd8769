"""phiz on a cluster of Ray: the service in Ray Serve, and many images with Ray Data."""
