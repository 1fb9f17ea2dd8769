"""What every way to run every network costs on this machine, and which to choose."""
