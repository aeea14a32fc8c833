"""Alerts: what one rider sends, its lifecycle, its assignments and its chronological register."""
