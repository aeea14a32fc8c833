"""Control room: what operators see, and what they do."""
