"""Screened nuclear repulsion of pairs."""

from __future__ import annotations

import math

from linpot.kernels.compile import kernel


@kernel
def fill_screened_repulsion(
    r, pair, strengths, amplitudes, decays, starts, switches, energies, derivatives
):
    """
    Evaluate ``k/r sum_t A_t exp(-d_t r)`` with the switch of the LAMMPS `pair_style zbl`.

    Parameters
    ----------
    r : float64[n_pairs], A
    pair : int64[n_pairs]
        Which pair of species; indexes the tables.
    strengths : float64[n], eV A
    amplitudes : float64[n_terms]
    decays : float64[n, n_terms], 1/A
    starts : float64[n], A
    switches : float64[n, 3]
        A, B, C of ``S(r) = A/3 t^3 + B/4 t^4 + C``, t the distance above the start.
    energies : float64[n_pairs], out, eV
    derivatives : float64[n_pairs], out, eV/A
    """
    for p in range(len(r)):
        k = pair[p]
        inverse = 1.0 / r[p]
        energy, slope = 0.0, 0.0
        for t in range(len(amplitudes)):
            term = amplitudes[t] * math.exp(-decays[k, t] * r[p])
            energy += term
            slope -= term * (decays[k, t] + inverse)
        t = max(r[p] - starts[k], 0.0)
        a, b = switches[k, 0], switches[k, 1]
        scale = strengths[k] * inverse
        energies[p] = scale * energy + t * t * t * (a / 3.0 + b / 4.0 * t) + switches[k, 2]
        derivatives[p] = scale * slope + t * t * (a + b * t)
