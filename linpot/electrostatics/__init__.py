"""Sums of Coulomb interactions: charges in, potentials, fields, energy, forces and virial out."""
