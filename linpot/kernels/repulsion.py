"""Screened nuclear repulsion of pairs."""

from __future__ import annotations

import numpy as np

from linpot.kernels.compile import kernel
from linpot.kernels.elementary import exponential
from linpot.kernels.lanes import filled, fma, larger, load, store


@kernel
def fill_screened_repulsion(r, pair, amplitudes, decays, table, energies, derivatives):
    """
    Evaluate ``k/r sum_t A_t exp(-d_t s r)`` with the switch of the LAMMPS `pair_style zbl`.

    Parameters
    ----------
    r : float64[n_pairs], A
    pair : int64[n_pairs]
        Which pair of species; indexes the table.
    amplitudes, decays : float64[n_terms]
    table : float64[n, 6]
        Per pair of species k (eV A), s (1/A), the start of the switch (A) and A, B, C of
        ``S(r) = A/3 t^3 + B/4 t^4 + C``, t the distance above the start.
    energies : float64[n_pairs], out, eV
    derivatives : float64[n_pairs], out, eV/A
    """
    lanes = np.empty((7, 8))
    results = np.empty((2, 8))
    for first in range(0, len(r), 8):
        count = min(8, len(r) - first)
        for lane in range(8):
            p = first + min(lane, count - 1)
            lanes[6, lane] = r[p]
            for k in range(6):
                lanes[k, lane] = table[pair[p], k]
        distance, scale = load(lanes[6], 0), load(lanes[1], 0)
        inverse = 1.0 / distance
        energy, slope = filled(distance, 0.0), filled(distance, 0.0)
        for t in range(len(amplitudes)):
            decay = scale * decays[t]
            term = exponential(decay * distance * (-1.0)) * amplitudes[t]
            energy = energy + term
            slope = slope - term * (decay + inverse)
        t = larger(distance - load(lanes[2], 0), 0.0)
        square = t * t
        a, b = load(lanes[3], 0), load(lanes[4], 0)
        strength = load(lanes[0], 0) * inverse
        switch = fma(square * t, fma(b * 0.25, t, a * (1.0 / 3.0)), load(lanes[5], 0))
        store(results[0], 0, fma(strength, energy, switch))
        store(results[1], 0, fma(strength, slope, square * fma(b, t, a)))
        for lane in range(count):
            energies[first + lane] = results[0, lane]
            derivatives[first + lane] = results[1, lane]
