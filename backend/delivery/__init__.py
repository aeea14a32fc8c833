"""Delivery: what was told to whom, by which channel, and what came back."""
