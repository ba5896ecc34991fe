"""Potentials in the file formats of LAMMPS."""
