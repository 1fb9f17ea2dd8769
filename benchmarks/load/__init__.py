"""The service under load, beside its peers."""
