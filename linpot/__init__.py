"""linpot: linear body-ordered interatomic potentials."""
