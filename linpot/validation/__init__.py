"""Properties and laws of a finished potential."""
