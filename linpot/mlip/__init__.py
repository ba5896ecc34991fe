"""Potentials of MLIP: moment tensor potentials from their files."""
