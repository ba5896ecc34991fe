"""Charges that are predicted, and the energies that come with them."""
