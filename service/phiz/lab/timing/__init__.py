"""How fast networks and models are on this machine."""
