"""Structures as small static pictures: spheres in projection, as SVG."""

from __future__ import annotations

import html
from itertools import product

import numpy as np
from ase.data import atomic_numbers, covalent_radii
from ase.data.colors import jmol_colors
from numpy.typing import NDArray

from linpot.report.contents import WorstStructure

Floats = NDArray[np.float64]

MOST_ATOMS = 160
"""Of larger structures, those around the atom with the largest error are drawn."""

RINGED = 0.8
"""Of the largest force error of a structure: atoms that are marked."""

WIDTH, HEIGHT = 320.0, 240.0
_NONMETALS = [atomic_numbers[s] for s in ("H", "B", "C", "N", "O", "F", "P", "S", "Cl", "Br", "I")]
_TURN, _TILT = 25.0, -76.0  # degrees around z and then x, as one looks at a table
_SIZE = 0.62  # of the covalent radius


def draw_structure(structure: WorstStructure) -> str:
    """
    Draw a structure; atoms with large force errors have a red ring.

    Parameters
    ----------
    structure : WorstStructure

    Returns
    -------
    str
        An ``<svg>`` element without references to anything outside.
    """
    chosen = _chosen_atoms(structure)
    view = _view()
    points = structure.positions[chosen] @ view.T
    lines = _cell_lines(structure) @ view.T if len(chosen) == len(structure.positions) else None
    radii = _SIZE * np.array(
        [covalent_radii[atomic_numbers[structure.line.symbols[i]]] for i in chosen]
    )
    everything = points if lines is None else np.concatenate([points, lines.reshape(-1, 3)])
    margin = float(radii.max()) + 0.2
    low, high = everything[:, :2].min(axis=0) - margin, everything[:, :2].max(axis=0) + margin
    scale = float(min(WIDTH / (high[0] - low[0]), HEIGHT / (high[1] - low[1]), 44.0))
    middle = 0.5 * (low + high)

    def place(xyz: Floats) -> tuple[float, float]:
        x, y = scale * (xyz[:2] - middle)
        return WIDTH / 2.0 + x, HEIGHT / 2.0 - y

    shapes: list[tuple[float, str]] = []
    if lines is not None:
        for a, b in lines:
            (x1, y1), (x2, y2) = place(a), place(b)
            shapes.append(
                (
                    float(a[2] + b[2]) / 2.0,
                    f'<line class="cell" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>',
                )
            )
    for i, j in _bonds(structure, chosen):
        (x1, y1), (x2, y2) = place(points[i]), place(points[j])
        shapes.append(
            (
                float(min(points[i, 2], points[j, 2])) - 1e-6,
                f'<line class="bond" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>',
            )
        )
    depth = points[:, 2]
    span = float(np.ptp(depth)) or 1.0
    largest = 0.0 if structure.force_errors is None else float(structure.force_errors.max())
    for k, i in enumerate(chosen.tolist()):
        x, y = place(points[k])
        near = 0.45 + 0.55 * (float(depth[k]) - float(depth.min())) / span
        error = None if structure.force_errors is None else float(structure.force_errors[i])
        shapes.append(
            (float(depth[k]), _atom(structure, i, x, y, scale * radii[k], near, error, largest))
        )
    drawn = "".join(shape for _, shape in sorted(shapes, key=lambda pair: pair[0]))
    label = html.escape(f"{structure.line.formula}, {structure.why}", quote=True)
    return (
        f'<svg class="atoms" viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" role="img" '
        f'aria-label="{label}">{drawn}</svg>'
    )


def is_cut(structure: WorstStructure) -> bool:
    """Whether only a part of a structure is drawn."""
    return len(structure.positions) > MOST_ATOMS


def _atom(
    structure: WorstStructure,
    index: int,
    x: float,
    y: float,
    radius: float,
    near: float,
    error: float | None,
    largest: float,
) -> str:
    symbol = structure.line.symbols[index]
    red, green, blue = (int(255 * c) for c in jmol_colors[atomic_numbers[symbol]])
    told = f"atom {index} ({symbol})"
    ring = ""
    if error is not None:
        told += f", force error {error:.3g} eV/Å"
        if error > RINGED * largest > 0.0:
            ring = ' class="wrong"'
    return (
        f'<circle{ring} cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" '
        f'style="--own:rgb({red},{green},{blue});--near:{near:.0%}"><title>{told}</title></circle>'
    )


def _chosen_atoms(structure: WorstStructure) -> NDArray[np.int64]:
    n = len(structure.positions)
    if not is_cut(structure):
        return np.arange(n)
    errors = structure.force_errors
    middle = structure.positions[0 if errors is None else int(errors.argmax())]
    distances = np.linalg.norm(structure.positions - middle, axis=1)
    return np.sort(np.argsort(distances, kind="stable")[:MOST_ATOMS])


def _bonds(structure: WorstStructure, chosen: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return pairs of drawn atoms that look bonded, places in `chosen`; not between metals."""
    positions = structure.positions[chosen]
    numbers = np.array([atomic_numbers[structure.line.symbols[i]] for i in chosen])
    radii, binding = covalent_radii[numbers], np.isin(numbers, _NONMETALS)
    lengths = np.linalg.norm(positions[:, None] - positions, axis=2)
    near = lengths < 1.2 * (radii[:, None] + radii)
    first, second = np.nonzero(np.triu(near & (binding[:, None] & binding), k=1))
    return list(zip(first.tolist(), second.tolist(), strict=True))


def _cell_lines(structure: WorstStructure) -> Floats:
    """Return the edges of the cell along periodic directions: float64[n, 2, 3], A."""
    if not any(structure.pbc):
        return np.zeros((0, 2, 3))
    vectors = structure.cell[list(structure.pbc)]
    found = []
    for corner in product((0, 1), repeat=len(vectors)):
        for axis, taken in enumerate(corner):
            if not taken:
                start = np.array(corner) @ vectors
                found.append([start, start + vectors[axis]])
    return np.array(found)


def _view() -> Floats:
    """Return the rotation into the frame of the picture: x right, y up, z towards the eye."""
    a, b = np.deg2rad([_TILT, _TURN])
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    return np.asarray(about_x @ about_z)
