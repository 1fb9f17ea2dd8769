"""How fast phiz is, alone and beside others."""
