"""Lattice constants, equation of state and elastic constants."""

from __future__ import annotations

import warnings

import numpy as np
from ase.eos import EquationOfState
from numpy.typing import NDArray

from linpot.constants import GPA_PER_EV_A3
from linpot.validation.crystals import cubic_cell
from linpot.validation.quantities import Case, Curve, Measured, NotMeasuredError

Floats = NDArray[np.float64]

VOLUMES = np.linspace(0.94, 1.06, 9)
STRAIN = 4e-3  # central differences: the error is of second order in it
_CUBIC_SHARE = 0.05  # of C11: by how much the tensor may differ from a cubic one
_PAIRS = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
_HEXAGONAL = ("C11", "C12", "C13", "C33", "C44")


def lattice(case: Case) -> Measured:
    """Lattice constants and the volume of an atom."""
    found, cubic = Measured(), cubic_cell(case.ground)
    if cubic is not None:
        found.add("a", cubic.cell.lengths().mean(), "A")
    else:
        for name, length in zip("abc", case.ground.cell.lengths(), strict=True):
            if not any(abs(length - q.value) < 1e-3 * length for q in found.quantities):
                found.add(name, length, "A")
    found.add("volume", case.ground.get_volume() / len(case.ground), "A^3/atom")
    return found


def equation_of_state(case: Case) -> Measured:
    """Bulk modulus by Birch-Murnaghan through nine volumes of fixed shape, ions relaxed."""
    n_atoms, energies, volumes = len(case.ground), [], []
    for ratio in VOLUMES:
        scaled = case.ground.copy()
        scaled.set_cell(ratio ** (1 / 3) * scaled.cell.array, scale_atoms=True)
        energies.append(case.relaxed(scaled, fmax=1e-4)[1] / n_atoms)
        volumes.append(scaled.get_volume() / n_atoms)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the least-squares start; the outcome is checked
        v0, e0, modulus = EquationOfState(volumes, energies, "birchmurnaghan").fit()
    if not volumes[0] < v0 < volumes[-1]:
        raise NotMeasuredError("the equation of state has no minimum within 6 % of the volume")
    found = Measured()
    found.add("bulk modulus", modulus * GPA_PER_EV_A3, "GPa")
    milli = [1e3 * (e - e0) for e in energies]
    found.curves.append(
        Curve("equation of state", "volume (A^3/atom)", "energy (meV/atom)", volumes, [milli])
    )
    return found


def elastic(case: Case) -> Measured:
    """Elastic constants with relaxed ions, from stresses of strained cells."""
    tensor = elastic_tensor(case)
    found = Measured()
    if cubic_cell(case.ground) is not None:
        average = {
            "C11": np.mean([tensor[k, k] for k in range(3)]),
            "C12": np.mean([tensor[0, 1], tensor[0, 2], tensor[1, 2]]),
            "C44": np.mean([tensor[k, k] for k in range(3, 6)]),
        }
        spread = max(
            np.ptp([tensor[k, k] for k in range(3)]),
            np.ptp([tensor[k, k] for k in range(3, 6)]),
            np.abs(tensor[:3, 3:]).max(),
        )
        if spread > _CUBIC_SHARE * abs(average["C11"]):
            found.notes.append(f"the tensor differs from a cubic one by up to {spread:.2g} GPa")
            _all(found, tensor)
        else:
            for name, value in average.items():
                found.add(name, value, "GPa")
    elif _is_hexagonal(case.ground.cell.array):
        for name in _HEXAGONAL:
            found.add(name, tensor[int(name[1]) - 1, int(name[2]) - 1], "GPa")
    else:
        _all(found, tensor)
    found.add("softest strain", np.linalg.eigvalsh(tensor)[0], "GPa")
    found.notes.append("the crystal is stable while the softest strain is positive")
    return found


def elastic_tensor(case: Case) -> Floats:
    """
    Relaxed-ion elastic constants at the relaxed cell.

    Parameters
    ----------
    case : Case

    Returns
    -------
    float64[6, 6], GPa
        Voigt xx yy zz yz xz xy, engineering shear strains; made symmetric.

    Raises
    ------
    NotMeasuredError
        If the calculator has no stress.
    """
    tensor = np.empty((6, 6))
    for k, (a, b) in enumerate(_PAIRS):
        sides = []
        for sign in (1.0, -1.0):
            deformation = np.eye(3)
            deformation[a, b] += 0.5 * sign * STRAIN
            deformation[b, a] += 0.5 * sign * STRAIN
            strained = case.ground.copy()
            strained.set_cell(strained.cell.array @ deformation, scale_atoms=True)
            relaxed, _ = case.relaxed(strained, fmax=1e-4)
            relaxed.calc = case.calculator
            try:
                sides.append(relaxed.get_stress())
            except NotImplementedError as error:
                raise NotMeasuredError("the calculator gives no stress") from error
        tensor[:, k] = (sides[0] - sides[1]) / (2.0 * STRAIN) * GPA_PER_EV_A3
    return 0.5 * (tensor + tensor.T)


def _all(found: Measured, tensor: Floats) -> None:
    for i in range(6):
        for j in range(i, 6):
            found.add(f"C{i + 1}{j + 1}", tensor[i, j], "GPa")


def _is_hexagonal(cell: Floats) -> bool:
    a, b, c = np.linalg.norm(cell, axis=1)
    upright = np.abs([cell[2, 0], cell[2, 1], cell[0, 2], cell[1, 2]]).max() < 1e-3 * c
    cosine = abs(cell[0] @ cell[1]) / (a * b)
    return bool(upright and abs(a - b) < 1e-3 * a and abs(cosine - 0.5) < 1e-3)
