"""
Potentials of LAMMPS' ``pair_style snap`` as linear potentials.

LAMMPS has components B of ordered triples, some of them equal; here are distinct ones T that vanish
for an isolated atom: ``B = s (T + T0)``, with s = 1 (`bnormflag`) or 2 j + 1, and T0 = 1 where the
isolated atom has one and `bzeroflag` does not take it off. Energies, linear or quadratic in B, are
of the same form in T.

References
----------
LAMMPS, src/ML-SNAP/pair_snap.cpp and sna.cpp (order of coefficients, meaning of the flags).
"""

from __future__ import annotations

from itertools import combinations_with_replacement, product

import numpy as np
from numpy.typing import NDArray

from linpot.basis.bispectrum import bispectrum_triples, sorted_triple
from linpot.basis.families import build_basis
from linpot.basis.snap import SnapSpecification
from linpot.basis.specification import check_elements, pair_name
from linpot.errors import FileFormatError
from linpot.lammps.snap_parser import SnapCoefficients, SnapParameters
from linpot.model.linear_potential import LinearPotential

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def snap_potential(coefficients: SnapCoefficients, parameters: SnapParameters) -> LinearPotential:
    """
    Turn the contents of two files into a potential.

    Parameters
    ----------
    coefficients : SnapCoefficients
    parameters : SnapParameters

    Returns
    -------
    LinearPotential

    Raises
    ------
    FileFormatError
        If they do not belong together, or energies would jump at the cutoff.
    """
    if not parameters.switchflag:
        raise FileFormatError("switchflag 0 is not supported: energies jump at the cutoff")
    specification = _specification(coefficients, parameters)
    basis = build_basis(specification)
    index, scales = _components(coefficients.elements, specification, parameters.bnormflag)
    n = len(index)
    expected = 1 + n + (n * (n + 1) // 2 if parameters.quadraticflag else 0)
    if coefficients.values.shape[1] != expected:
        raise FileFormatError(
            f"twojmax {parameters.twojmax} with these flags needs {expected} coefficients of each "
            f"element, got {coefficients.values.shape[1]}"
        )
    triples = bispectrum_triples(specification.twojmax, specification.n_kinds)
    rows, isolated = [], {}
    for z, symbol in enumerate(specification.elements):
        own = coefficients.values[coefficients.elements.index(symbol)]
        everywhere = specification.self_in_all or not specification.chem
        present = np.array([everywhere or all(k == z for _, k in t) for t in triples], dtype=float)
        shifts = np.zeros(n) if parameters.bzeroflag else scales * present[index]
        constant, row = _distinct(
            own, index, scales, shifts, len(triples), parameters.quadraticflag
        )
        isolated[symbol] = constant
        rows.append(row)
    return LinearPotential(
        basis, np.concatenate(rows), isolated, {"origin": "read from LAMMPS snap files"}
    )


def _specification(coefficients: SnapCoefficients, parameters: SnapParameters) -> SnapSpecification:
    elements = check_elements(coefficients.elements)
    place = {s: k for k, s in enumerate(coefficients.elements)}
    cutoffs, inner = {}, {}
    if parameters.switchinnerflag:
        for name in ("sinner", "dinner"):
            if len(getattr(parameters, name)) != len(elements):
                raise FileFormatError(f"switchinnerflag 1 needs {name} of {len(elements)} elements")
    for a, b in combinations_with_replacement(elements, 2):
        i, j = place[a], place[b]
        pair = pair_name(a, b)
        cutoffs[pair] = parameters.rcutfac * (coefficients.radii[i] + coefficients.radii[j])
        if parameters.switchinnerflag:
            middle = 0.5 * (parameters.sinner[i] + parameters.sinner[j])
            width = 0.5 * (parameters.dinner[i] + parameters.dinner[j])
            inner[pair] = (middle - width, middle + width)
    return SnapSpecification(
        elements,
        cutoffs,
        twojmax=parameters.twojmax,
        weights=dict(zip(coefficients.elements, coefficients.weights, strict=True)),
        rfac0=parameters.rfac0,
        rmin0=parameters.rmin0,
        inner=inner,
        chem=parameters.chemflag,
        self_in_all=parameters.chemflag and parameters.wselfallflag,
        quadratic=parameters.quadraticflag,
    )


def _components(
    elements: tuple[str, ...], specification: SnapSpecification, normalized: bool
) -> tuple[Ints, Floats]:
    """
    List LAMMPS' components: which distinct one each is, and its scale.

    Triples of elements run slowest, in the order of the file; then j1 >= j2, j >= j1.
    """
    highest = specification.twojmax
    triples = bispectrum_triples(highest, specification.n_kinds)
    place = {triple: k for k, triple in enumerate(triples)}
    kinds = [specification.elements.index(s) for s in elements] if specification.chem else [0]
    momenta = [
        (j1, j2, j)
        for j1 in range(highest + 1)
        for j2 in range(j1 + 1)
        for j in range(j1 - j2, min(highest, j1 + j2) + 1, 2)
        if j >= j1
    ]
    index, scales = [], []
    for own in product(kinds, repeat=3):
        for js in momenta:
            index.append(place[sorted_triple(list(zip(js, own, strict=True)))])
            scales.append(1.0 if normalized else js[2] + 1.0)
    return np.array(index, dtype=np.int64), np.array(scales)


def _distinct(
    own: Floats, index: Ints, scales: Floats, shifts: Floats, n_distinct: int, quadratic: bool
) -> tuple[float, Floats]:
    """Return constant and coefficients of the distinct components, products after them."""
    n = len(index)
    linear = own[1 : n + 1]
    constant = own[0] + linear @ shifts
    if not quadratic:
        return float(constant), np.asarray(
            np.bincount(index, linear * scales, n_distinct), dtype=np.float64
        )
    matrix = np.zeros((n, n))  # energies have half of it on both sides
    matrix[np.triu_indices(n)] = own[n + 1 :]
    matrix = matrix + np.triu(matrix, 1).T
    constant += 0.5 * shifts @ matrix @ shifts
    mixing = np.zeros((n, n_distinct))
    mixing[np.arange(n), index] = scales
    reduced = mixing.T @ matrix @ mixing
    np.fill_diagonal(reduced, 0.5 * np.diag(reduced))
    row = mixing.T @ (linear + matrix @ shifts)
    return float(constant), np.concatenate([row, reduced[np.triu_indices(n_distinct)]])
