"""Scripts that measure; each writes a JSON file into benchmarks/results."""
