"""The models: what is known of each, and where its numbers come from."""
