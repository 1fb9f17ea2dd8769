"""How good the answers are: on labelled photographs, and beside the original networks."""
