"""Ways to run a potential from other programs."""
