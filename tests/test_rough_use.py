"""Rough use: a potential with walls passes, potentials with holes do not."""

from __future__ import annotations

import broken_calculators as broken
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

import linpot
from linpot.validation.crystals import ground_state
from linpot.validation.quantities import NotMeasuredError
from linpot.validation.random_cells import random_cell
from linpot.validation.rough_checks import too_close
from linpot.validation.subject import Subject

CRYSTAL = bulk("Cu", a=3.35)


class Hole(broken.SmoothMorse):
    """Two atoms attract each other strongly below 2.0 A."""

    def pair(self, r, depth):
        e, de = super().pair(r, depth)
        x = np.minimum(r / 2.0, 1.0)
        depth_of_hole = 60.0
        return (
            e - depth_of_hole * (1 - x**2) ** 2,
            de + np.where(x < 1.0, depth_of_hole * 4 * (1 - x**2) * x / 2.0, 0.0),
        )


def rough(calculator, *only: str, n_random: int = 3) -> linpot.Verification:
    return linpot.verify(
        calculator,
        elements=["Cu"],
        cutoff=broken.CUTOFF,
        structures=[CRYSTAL],
        rough=True,
        n_random=n_random,
        only=only,
    )


def test_walls_pass():
    found = rough(broken.SmoothMorse, "compression", "repulsion", "random search")
    assert found.passed, [line for check in found.checks for line in check.failures]


@pytest.mark.parametrize("name", ["repulsion", "compression"])
def test_a_hole_is_found(name):
    found = rough(Hole, name)
    assert found.failed == [name]
    assert "falls" in found[name].failures[0]


def test_a_crystal_that_collapses_is_told_at_once():
    with pytest.raises(NotMeasuredError, match="left its structure"):
        ground_state(bulk("Cu", a=2.7), Hole())


@pytest.mark.parametrize(
    ("symbols", "length", "gap"),
    [
        ("O2", 1.21, 0.0),  # the molecule, closer than 0.6 of the nearest distance in MgO
        ("O2", 0.90, 0.09),
        ("Mg2", 1.21, 0.06),
        ("MgO", 1.21, 0.06),
    ],
)
def test_bonds_of_molecules_are_not_too_close(symbols, length, gap):
    atoms = Atoms(symbols, [[0, 0, 0], [0, 0, length]], cell=[6, 6, 6], pbc=True)
    assert too_close(atoms, near=1.27) == pytest.approx(gap, abs=1e-9)


def test_random_cells_keep_distances_and_composition():
    subject = Subject("any", lambda _: broken.SmoothMorse(), ("Cu", "Ni"))
    alloy = bulk("Cu", cubic=True)
    alloy.symbols[:2] = "Ni"
    rng = np.random.default_rng(0)
    for _ in range(5):
        atoms = random_cell(list(alloy.symbols), alloy.get_volume() / 4, subject.distance, rng)
        assert (atoms.symbols == "Ni").sum() * 2 == len(atoms)
        ratio = atoms.get_volume() / len(atoms) / (alloy.get_volume() / 4)
        assert 0.7 <= ratio <= 1.4


def test_a_compound_needs_a_structure():
    with pytest.raises(linpot.InputError, match="`structure` must be given for Cu Ni"):
        linpot.verify(broken.SmoothMorse, elements=["Cu", "Ni"], rough=True, only=["repulsion"])
