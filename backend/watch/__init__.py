"""Watch: what is late, silent or broken anywhere, found in seconds and told to people; the synthetic drill."""
