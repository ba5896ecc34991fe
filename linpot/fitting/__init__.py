"""From structures to coefficients: rows, triangular factors, priors, weights, solvers."""
