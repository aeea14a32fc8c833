"""Vigie: the open alert backend for transport safety."""
