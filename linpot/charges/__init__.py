"""Charges that are predicted: models of them and their training."""
