"""The server: its socket and signals, and its connections with their limits."""
