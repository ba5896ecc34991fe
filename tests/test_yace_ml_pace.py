"""Files of our writer, evaluated by a compiled ML-PACE: outputs.json says how."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from linpot.lammps.direct import evaluate_document
from linpot.lammps.restore import restore_potential
from linpot.lammps.yace_parser import parse_yace
from linpot.structures.structure import Structure

FOLDER = Path(__file__).parent / "data" / "yace" / "ml_pace"
CASES = json.loads((FOLDER / "outputs.json").read_text())["cases"]


def read(name: str):
    document = parse_yace((FOLDER / f"{name}.yace").read_text(), f"{name}.yace")
    case = CASES[name]
    structure = Structure(
        np.array(case["numbers"]), np.array(case["positions"]), np.zeros((3, 3)), (False,) * 3
    )
    return document, structure, np.array(case["energies"]), np.array(case["forces"])


@pytest.mark.parametrize("name", CASES)
def test_restored_potential_has_the_energies_and_forces_of_ml_pace(name):
    document, structure, energies, forces = read(name)
    found = restore_potential(document).predict(structure)
    # the difference is that between ML-PACE's tables and formulas
    assert np.abs(found.atomic_energies - energies).max() < 1e-9
    assert np.abs(found.forces - forces).max() < 1e-6 * np.abs(forces).max()


@pytest.mark.parametrize("name", CASES)
def test_tables_have_the_energies_and_forces_of_ml_pace(name):
    document, structure, energies, forces = read(name)
    found = evaluate_document(document, structure, splines=True)
    # rounding in sums over base functions: up to 1e4 times a radial function
    assert np.abs(found.atomic_energies - energies).max() < 2e-11
    assert np.abs(found.forces - forces).max() < 1e-10 * np.abs(forces).max()


def test_cases_cover_three_elements_and_five_ranks():
    documents = {name: read(name)[0] for name in CASES}
    assert {len(document.elements) for document in documents.values()} == {1, 2, 3}
    ranks = {f.rank for d in documents.values() for functions in d.functions for f in functions}
    assert ranks == {1, 2, 3, 4, 5}
