"""The lab: measures accuracy and speed, and is never imported by serving."""
