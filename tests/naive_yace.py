"""
The energy of a .yace file by direct sums, sharing nothing with the package: oracle of the tests.

Reads the text with PyYAML; loops over atoms, images, functions, products and factors; harmonics
from scipy; ChebExpCos with cutoffs outside and inside ("distance"), linear embeddings.
"""

from __future__ import annotations

import re
from itertools import product
from math import acos, atan2, cos, exp, pi, sqrt

import numpy as np
import scipy.special
import yaml


def naive_yace_energies(text: str, symbols, positions, cell=None) -> list[float]:
    """Return the energy of every atom, eV; `cell` is periodic, none is a cluster."""
    data = yaml.safe_load(re.sub(r"(?m)^  (\[\d+, \d+\]):", r"  '\1':", text))
    species = [data["elements"].index(s) for s in symbols]
    images = list(product((-1, 0, 1), repeat=3)) if cell is not None else [(0, 0, 0)]
    shifts = [np.array(image) @ (np.zeros((3, 3)) if cell is None else cell) for image in images]
    energies = []
    for i, center in enumerate(species):
        around = [
            (species[j], positions[j] + shift - positions[i])
            for j, shift in product(range(len(species)), shifts)
            if j != i or shift.any()
        ]
        densities: dict[tuple, complex] = {}
        energy = data["E0"][center]
        for function in data["functions"][center]:
            rank, weight = function["rank"], data["embeddings"][center]["FS_parameters"][0]
            for k, c in enumerate(function["ctildes"]):
                value = complex(weight * c)
                for t in range(rank):
                    m = function["ms_combs"][rank * k + t]
                    key = (rank == 1, *(function[name][t] for name in ("mus", "ns", "ls")), m)
                    if key not in densities:
                        densities[key] = _density(data["bonds"], center, around, *key)
                    value *= densities[key]
                energy += value.real
        energies.append(energy)
    return energies


def _density(bonds, center, around, is_pair, other, n, l, m) -> complex:
    bond = bonds[f"[{center}, {other}]"]
    total = 0.0 + 0.0j
    for mu, vector in around:
        r = float(np.linalg.norm(vector))
        if mu != other or r >= bond["rcut"]:
            continue
        g = _base_functions(bond, r)
        if is_pair:
            total += g[n - 1]
            continue
        radial = sum(c * gk for c, gk in zip(bond["radcoefficients"][n - 1][l], g, strict=True))
        theta, phi = acos(vector[2] / r), atan2(vector[1], vector[0])
        total += radial * sqrt(4 * pi) * _harmonic(l, m, theta, phi)
    return total


def _harmonic(l: int, m: int, theta: float, phi: float) -> complex:
    if hasattr(scipy.special, "sph_harm_y"):
        return complex(scipy.special.sph_harm_y(l, m, theta, phi))
    return complex(scipy.special.sph_harm(m, l, phi, theta))


def _base_functions(bond, r: float) -> list[float]:
    decay, cutoff, width = bond["radparameters"][0], bond["rcut"], bond["dcut"]
    x = 1 - 2 * (exp(-decay * r / cutoff) - exp(-decay)) / (1 - exp(-decay))
    envelope = (1 + cos(pi * r / cutoff)) / 2
    if r > cutoff - width:
        envelope *= (1 + cos(pi * (r - cutoff + width) / width)) / 2
    inner, inner_width = bond["rcut_in"], bond["dcut_in"]
    if r <= inner - inner_width:
        envelope = 0.0
    elif r < inner:
        y = 1 - 2 * (1 + (r - inner) / inner_width)
        envelope *= 1 - (1 / 2 + 15 / 4 * (y / 4 - y**3 / 6 + y**5 / 20))
    chebyshev = [1.0, x]
    while len(chebyshev) < bond["nradbasemax"]:
        chebyshev.append(2 * x * chebyshev[-1] - chebyshev[-2])
    return [
        envelope * (1.0 if k == 0 else (1 - chebyshev[k]) / 2) for k in range(bond["nradbasemax"])
    ]
