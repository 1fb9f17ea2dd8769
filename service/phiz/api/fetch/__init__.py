"""Images by address: the allowed hosts, and a client that connects to nothing else."""
