"""
The energy of a .yace file by direct sums, sharing nothing with the package: oracle of the tests.

Reads the text with PyYAML; loops over atoms, images, functions, products and factors; harmonics
from scipy; all families with cutoffs outside and inside ("distance"), core repulsion, embeddings.
"""

from __future__ import annotations

import re
from itertools import product
from math import acos, atan2, copysign, cos, exp, pi, sin, sqrt

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
        embedding = data["embeddings"][center]
        totals = [0.0] * embedding["ndensity"]
        for function in data["functions"][center]:
            rank = function["rank"]
            for k in range(function["num_ms_combs"]):
                value = 1.0 + 0.0j
                for t in range(rank):
                    m = function["ms_combs"][rank * k + t]
                    key = (rank == 1, *(function[name][t] for name in ("mus", "ns", "ls")), m)
                    if key not in densities:
                        densities[key] = _density(data["bonds"], center, around, *key)
                    value *= densities[key]
                for p in range(len(totals)):
                    totals[p] += function["ctildes"][k * len(totals) + p] * value.real
        core = _core(data["bonds"], center, around)
        embedded = _embedded(embedding, totals, core)
        energies.append(data["E0"][center] + embedded + core)
    return energies


def _embedded(embedding, totals, core) -> float:
    cutoff, width = embedding["rho_core_cutoff"], embedding["drho_core_cutoff"]
    switch = 1.0 if core <= cutoff - width else 0.0 if core >= cutoff else _falling(
        core, cutoff, width
    )  # fmt: skip
    energy = 0.0
    for p, rho in enumerate(totals):
        weight, m = embedding["FS_parameters"][2 * p : 2 * p + 2]
        a = abs(rho)
        if embedding["npoti"] == "FinnisSinclair":
            g = exp(-((1e6 * a) ** 3)) if 1e6 * a < 10 else 0.0
            value = (1 - g) * a**m + 1e6 ** (1 - m) * g * a
        elif m == 1:
            value = a
        else:
            n = 1 / m
            x, y = n ** (n / (1 - n)) * exp(-a), n ** (1 / (1 - n)) * exp(-a)
            value = (x + a) ** m - y
        energy += weight * copysign(value, rho)
    return switch * energy


def _falling(x: float, end: float, width: float) -> float:
    y = 1 - 2 * (1 + (x - end) / width)
    return 1 / 2 + 15 / 4 * (y / 4 - y**3 / 6 + y**5 / 20)


def _core(bonds, center, around) -> float:
    total = 0.0
    for mu, vector in around:
        bond, r = bonds[f"[{center}, {mu}]"], float(np.linalg.norm(vector))
        if r < bond["rcut"] and bond["prehc"] != 0:
            own = bond["prehc"] * exp(-bond["lambdahc"] * r * r) / r
            own *= (1 + cos(pi * r / bond["rcut"])) / 2
            total += own * (1 - _inner(bond, r) if bond["inner_cutoff_type"] == "distance" else 1)
    return total


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
    return [_inner(bond, r) * g for g in _outer_functions(bond, r)]


def _inner(bond, r: float) -> float:
    inner, width = bond["rcut_in"], bond["dcut_in"]
    if r <= inner - width:
        return 0.0
    return 1 - _falling(r, inner, width) if r < inner else 1.0


def _outer_functions(bond, r: float) -> list[float]:
    decay, cutoff, width = bond["radparameters"][0], bond["rcut"], bond["dcut"]
    n_base, family = bond["nradbasemax"], bond["radbasename"]
    if family == "SBessel":
        return _bessel(r, cutoff, n_base)
    if family == "ChebExpCos":
        x = 1 - 2 * (exp(-decay * r / cutoff) - exp(-decay)) / (1 - exp(-decay))
        envelope = (1 + cos(pi * r / cutoff)) / 2
        if r > cutoff - width:
            envelope *= (1 + cos(pi * (r - cutoff + width) / width)) / 2
        t = _chebyshev(x, n_base)
        return [envelope * (1.0 if k == 0 else (1 - t[k]) / 2) for k in range(n_base)]
    x = 2 * (1 - (1 - r / cutoff) ** decay) - 1 if family == "ChebPow" else 1 - r / cutoff
    return [(1 - t) / 2 for t in _chebyshev(x, n_base + 1)[1:]]


def _chebyshev(x: float, n: int) -> list[float]:
    values = [1.0, x]
    while len(values) < n:
        values.append(2 * x * values[-1] - values[-2])
    return values[:n]


def _bessel(r: float, cutoff: float, n_base: int) -> list[float]:
    def bare(n):
        a, b = (n + 1) * pi * r / cutoff, (n + 2) * pi * r / cutoff
        norm = (n + 1) * (n + 2) / sqrt((n + 1) ** 2 + (n + 2) ** 2)
        return (-1) ** n * sqrt(2) * pi / cutoff**1.5 * norm * (sin(a) / a + sin(b) / b)

    values, d = [bare(0)], 1.0
    for n in range(1, n_base):
        e = n**2 * (n + 2) ** 2 / (4 * (n + 1) ** 4 + 1)
        before, d = d, 1 - e / d
        values.append((bare(n) + sqrt(e / before) * values[-1]) / sqrt(d))
    return values
