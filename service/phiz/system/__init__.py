"""What the host tells this process, and what it is asked for."""
