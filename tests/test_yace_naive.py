"""Exports and their evaluator against direct sums over the text of the file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase.data import chemical_symbols

from linpot.lammps.direct import evaluate_document
from linpot.lammps.export import export_potential
from linpot.lammps.yace_parser import parse_yace
from linpot.lammps.yace_text import yace_text
from linpot.structures.structure import Structure
from tests.laws.cases import structure_for
from tests.naive_yace import naive_yace_energies
from tests.test_yace_direct import ATOMS, ENERGIES
from tests.test_yace_export import CASES, potential_of

TEXT = (Path(__file__).parent / "data" / "yace" / "two_species.yace").read_text()


def naive(text: str, structure: Structure) -> np.ndarray:
    symbols = [chemical_symbols[z] for z in structure.numbers]
    cell = structure.cell if all(structure.pbc) else None
    return np.array(naive_yace_energies(text, symbols, structure.positions, cell))


def test_direct_sums_give_the_values_of_ml_pace():
    assert np.abs(naive(TEXT, ATOMS) - ENERGIES).max() < 2e-12


def test_evaluator_of_documents_equals_direct_sums_in_a_periodic_cell():
    cell = np.array([[5.3, 0.2, 0.0], [0.1, 5.4, -0.3], [0.4, 0.0, 5.5]])  # one image suffices
    structure = replace(ATOMS, cell=cell, pbc=(True, True, True))
    found = evaluate_document(parse_yace(TEXT), structure).atomic_energies
    assert np.abs(found - naive(TEXT, structure)).max() < 1e-12 * np.abs(found).max()


@pytest.mark.parametrize(("n_elements", "body_order"), CASES)
def test_exported_text_has_the_energies_of_the_potential_by_direct_sums(n_elements, body_order):
    potential = potential_of(n_elements, body_order)
    structure = structure_for("molecule", potential)
    expected = potential.predict(structure).atomic_energies
    text = yace_text(export_potential(potential).document)
    # sums over base functions that cancel, in another order than ours
    error = np.abs(naive(text, structure) - expected).max()
    assert error < 5e-12 * np.abs(expected).max()


def test_forces_of_the_potential_equal_differences_of_direct_sums():
    potential = potential_of(2, 4)
    structure = structure_for("molecule", potential)
    text = yace_text(export_potential(potential).document)
    direction = np.random.default_rng(0).normal(size=structure.positions.shape)
    step = 1e-3
    energy = {
        k: naive(text, replace(structure, positions=structure.positions + k * step * direction))
        .sum()
        for k in (-2, -1, 1, 2)
    }  # fmt: skip
    slope = (energy[-2] - 8 * energy[-1] + 8 * energy[1] - energy[2]) / (12 * step)
    expected = -(potential.predict(structure).forces * direction).sum()
    assert abs(expected) > 1.0
    assert abs(slope - expected) < 1e-8 * abs(expected)  # step^4 times fifth derivatives
