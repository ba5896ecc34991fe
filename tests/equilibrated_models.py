"""Models of equilibrated charges with made-up parameters, for tests."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations_with_replacement

import numpy as np
from charged_structures import PLANAR, TRICLINIC, scattered

from linpot.basis.basis import Basis
from linpot.basis.families import build_basis
from linpot.basis.radial import RadialParameters
from linpot.basis.specification import BasisSpecification
from linpot.charges.atom_function import AtomFunction
from linpot.charges.equilibrated_charges import EquilibratedCharges
from linpot.fitting.priors import body_orders
from linpot.structures.structure import Structure

ELEMENTS = ("H", "O")


def basis_of(n_functions: int = 12, cutoff: float = 3.5) -> Basis:
    pairs = combinations_with_replacement(ELEMENTS, 2)
    radial = {pair: RadialParameters(cutoff, 2.0, 0.4, 0.8) for pair in pairs}
    return build_basis(BasisSpecification(ELEMENTS, radial, body_order=3, n_functions=n_functions))


def qeq(seed: int = 0, **changes) -> EquilibratedCharges:
    """Charge equilibration: chi from features, everything else per species."""
    basis, rng = basis_of(), np.random.default_rng(seed)
    chi = 0.1 * rng.normal(size=(1, basis.n_features))
    model = EquilibratedCharges(
        AtomFunction(basis, chi, np.array([[2.0, 6.0]])),
        {"H": 6.0, "O": 5.0},
        {"H": 0.45, "O": 0.7},
        accuracy=1e-10,  # steps of lattice sums stay below what differences see
        tolerance=1e-11,
    )
    return replace(model, **changes)


def self_consistent(seed: int = 0, **changes) -> EquilibratedCharges:
    """All terms."""
    model, rng = qeq(seed), np.random.default_rng(seed + 100)
    basis = model.function.basis
    hardness = 0.2 * rng.normal(size=basis.n_features) * (body_orders(basis) == 2)
    function = AtomFunction(
        basis,
        np.vstack([model.function.coefficients, hardness]),
        np.vstack([model.function.constants, np.zeros(2)]),
    )
    full = replace(
        model,
        function=function,
        coupling=0.1 * rng.normal(size=(3, 3)),
        cubic={"H": 0.5, "O": -0.3},
        quartic={"H": 1.0, "O": 2.0},
    )
    return replace(full, **changes)


MODELS = {"qeq": qeq, "self_consistent": self_consistent}


def structure(kind: str, n_atoms: int = 12, seed: int = 1, charge: float = 0.0) -> Structure:
    """A "molecule", "cell" or "slab"."""
    cell = TRICLINIC if kind != "slab" else np.array([*PLANAR[:2], [0.3, 0.2, 5.5]])
    pbc = {"molecule": (False,) * 3, "cell": (True,) * 3, "slab": (True, True, False)}[kind]
    numbers = np.resize([8, 1, 1], n_atoms)
    return Structure(numbers, scattered(n_atoms, cell, seed), cell, pbc, total_charge=charge)
