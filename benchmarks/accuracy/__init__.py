"""How good the answers are, alone and beside others."""
