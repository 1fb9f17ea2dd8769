"""Decides which requests are answered: API keys, rates, and the headers that protect browsers."""
