"""What Vigie does when things break: experiments, who lives through them, and what must be true afterwards."""
