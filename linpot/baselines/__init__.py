"""Physics below the learned part: models with few or no parameters."""
