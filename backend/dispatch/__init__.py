"""Dispatch: who could go, who is asked, and what happens when nobody answers."""
