"""
A small moment tensor potential as MLIP stores it, and what it is by the published formulas.

``python -m tests.mtp_files`` writes ``tests/data/mtp/two_species.mtp``: two species, moments up to
rank 2, level 10, all numbers from a seed.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np

from linpot.mlip.document import MtpDocument
from linpot.structures.neighbors import find_neighbors
from linpot.structures.structure import Structure

TWO_SPECIES = Path(__file__).parent / "data" / "mtp" / "two_species.mtp"
BASIC = [
    [0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 2, 0, 0], [0, 1, 1, 0],
    [0, 1, 0, 1], [0, 0, 2, 0], [0, 0, 1, 1], [0, 0, 0, 2], [1, 0, 0, 0], [1, 1, 0, 0],
    [1, 0, 1, 0], [1, 0, 0, 1],
]  # fmt: skip
TIMES = [
    [1, 1, 1, 14], [2, 2, 1, 14], [3, 3, 1, 14],  # v.v
    [4, 4, 1, 15], [7, 7, 1, 15], [9, 9, 1, 15], [5, 5, 2, 15], [6, 6, 2, 15], [8, 8, 2, 15],  # M:M
    [4, 1, 1, 16], [5, 2, 1, 16], [6, 3, 1, 16],  # the vector M v
    [5, 1, 1, 17], [7, 2, 1, 17], [8, 3, 1, 17],
    [6, 1, 1, 18], [8, 2, 1, 18], [9, 3, 1, 18],
    [1, 16, 1, 19], [2, 17, 1, 19], [3, 18, 1, 19],  # v.M v
    [1, 11, 1, 20], [2, 12, 1, 20], [3, 13, 1, 20],  # v.w
    [0, 0, 1, 21], [0, 10, 1, 22], [0, 14, 1, 23], [0, 21, 1, 24], [21, 21, 1, 25], [0, 15, 1, 26],
]  # fmt: skip
MAPPING = [0, 10, 14, 15, 19, 20, 21, 22, 23, 24, 25, 26]


def make_text(seed: int = 0) -> str:
    """Return the text of the file."""
    rng = np.random.default_rng(seed)
    lines = [
        "MTP", "version = 1.1.0", "potential_name = small", "scaling = 5.1e-02",
        "species_count = 2", "potential_tag = ", "radial_basis_type = RBChebyshev",
        "\tmin_dist = 1.7", "\tmax_dist = 4.3", "\tradial_basis_size = 5",
        "\tradial_funcs_count = 2", "\tradial_coeffs",
    ]  # fmt: skip
    for pair in product(range(2), repeat=2):
        lines.append(f"\t\t{pair[0]}-{pair[1]}")
        for row in rng.normal(size=(2, 5)) * 0.6 ** np.arange(5):
            lines.append("\t\t\t{" + ", ".join(f"{c:.15e}" for c in row) + "}")
    lines += [
        "alpha_moments_count = 27",
        f"alpha_index_basic_count = {len(BASIC)}",
        f"alpha_index_basic = {_braces(BASIC)}",
        f"alpha_index_times_count = {len(TIMES)}",
        f"alpha_index_times = {_braces(TIMES)}",
        f"alpha_scalar_moments = {len(MAPPING)}",
        "alpha_moment_mapping = {" + ", ".join(map(str, MAPPING)) + "}",
        "species_coeffs = {-2.5, -1.25}",
        "moment_coeffs = {"
        + ", ".join(f"{c:.15e}" for c in rng.normal(size=len(MAPPING)) * 0.3)
        + "}",
    ]
    return "\n".join(lines) + "\n"


def _braces(table: list[list[int]]) -> str:
    return "{" + ", ".join("{" + ", ".join(map(str, row)) + "}" for row in table) + "}"


def naive_energies(
    document: MtpDocument, types: list[int], structure: Structure, displacements: np.ndarray
) -> np.ndarray:
    """
    Energies of the atoms by the formulas of Shapeev (2016) and Novikov et al. (2021), loop by loop.

    Displacements may be imaginary: the imaginary part of the energy is then a derivative.
    """
    neighbors = find_neighbors(structure, document.cutoff)
    energies = np.zeros(structure.n_atoms, dtype=np.complex128)
    positions = structure.positions + displacements
    for i in range(structure.n_atoms):
        nodes = np.zeros(document.n_nodes, dtype=np.complex128)
        for k in range(neighbors.offsets[i], neighbors.offsets[i + 1]):
            j = neighbors.neighbors[k]
            vector = positions[j] - positions[i] + neighbors.shifts[k] @ structure.cell
            r = np.sqrt(vector @ vector)
            radial = _radial(document, types[i], types[j], r)
            for node, (mu, a, b, c) in enumerate(document.basic):
                x, y, z = vector
                nodes[node] += radial[mu] * x**a * y**b * z**c / r ** int(a + b + c)
        for a, b, factor, target in document.times:
            nodes[target] += factor * nodes[a] * nodes[b]
        energies[i] = document.species_coefficients[types[i]]
        energies[i] += document.moment_coefficients @ nodes[document.mapping]
    return energies


def _radial(document: MtpDocument, center: int, neighbor: int, r: complex) -> list[complex]:
    if r.real >= document.cutoff:
        return [0.0] * document.radial_coefficients.shape[2]
    xi = (2 * r - document.nearest - document.cutoff) / (document.cutoff - document.nearest)
    polynomials = [1.0, xi]
    for _ in range(document.radial_coefficients.shape[3] - 2):
        polynomials.append(2 * xi * polynomials[-1] - polynomials[-2])
    envelope = document.scaling * (r - document.cutoff) ** 2
    return [
        envelope * sum(c * t for c, t in zip(row, polynomials, strict=True))
        for row in document.radial_coefficients[center, neighbor]
    ]


if __name__ == "__main__":
    TWO_SPECIES.parent.mkdir(parents=True, exist_ok=True)
    TWO_SPECIES.write_text(make_text())
