"""Potentials of any origin in the engine: ML-PACE, direct sums, gradients, files."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from ase.data import atomic_numbers, chemical_symbols

import linpot
from linpot.basis.clebsch_gordan import real_from_complex
from linpot.errors import FileFormatError
from linpot.lammps.direct import evaluate_document
from linpot.lammps.document import FAMILIES, Function, YaceDocument
from linpot.lammps.export import export_potential
from linpot.lammps.pace_potential import PacePotential
from linpot.lammps.pace_program import pace_program, real_monomials
from linpot.lammps.yace_parser import parse_yace
from linpot.lammps.yace_text import yace_text
from linpot.structures.structure import Structure
from tests.laws.cases import linear, structure_for, zbl
from tests.naive_yace import naive_yace_energies

FOLDER = Path(__file__).parent / "data" / "yace" / "ml_pace" / "foreign"
CASES = json.loads((FOLDER / "outputs.json").read_text())["cases"]


def text_of(name: str) -> str:
    return (FOLDER / f"{name}.yace").read_text()


@cache
def document_of(name: str) -> YaceDocument:
    return parse_yace(text_of(name), f"{name}.yace")


def cluster_of(name: str) -> Structure:
    case = CASES[name]
    positions = np.array(case["positions"])
    return Structure(np.array(case["numbers"]), positions, np.zeros((3, 3)), (False,) * 3)


def naive(name: str, structure: Structure) -> np.ndarray:
    symbols = [chemical_symbols[z] for z in structure.numbers]
    cell = structure.cell if all(structure.pbc) else None
    return np.array(naive_yace_energies(text_of(name), symbols, structure.positions, cell))


def test_cases_cover_all_families_embeddings_and_core_repulsion():
    documents = [document_of(name) for name in CASES]
    bonds = [b for d in documents for b in d.bonds.values()]
    embeddings = [e for d in documents for e in d.embeddings]
    assert {b.family for b in bonds} == set(FAMILIES)
    assert {e.kind for e in embeddings if not e.is_linear} == {
        "FinnisSinclair",
        "FinnisSinclairShiftedScaled",
    }
    assert {e.n_densities for e in embeddings} == {1, 2, 3}
    assert any(b.core_strength and b.inner_kind == "distance" for b in bonds)
    assert any(b.core_strength and b.inner_kind == "density" for b in bonds)


@pytest.mark.parametrize("name", CASES)
def test_engine_has_the_energies_and_forces_of_ml_pace(name):
    found = PacePotential(document_of(name)).predict(cluster_of(name))
    energies, forces = np.array(CASES[name]["energies"]), np.array(CASES[name]["forces"])
    # the same tables: what differs is rounding, far below 1e-9 eV and 1e-6 of the forces
    assert np.abs(found.atomic_energies - energies).max() < 1e-13 * np.abs(energies).max()
    assert np.abs(found.forces - forces).max() < 1e-11 * np.abs(forces).max()


@pytest.mark.parametrize("name", CASES)
def test_engine_has_the_energies_of_direct_sums(name):
    structure = cluster_of(name)
    cell = np.array([[6.3, 0.2, 0.0], [0.1, 6.4, -0.3], [0.4, 0.0, 6.5]])  # one image suffices
    for own in (structure, replace(structure, cell=cell, pbc=(True, True, True))):
        found = PacePotential(document_of(name)).predict(own).atomic_energies
        expected = naive(name, own)
        # tables with intervals of 0.001 A against formulas
        assert np.abs(found - expected).max() < 2e-11 * np.abs(expected).max()


@pytest.mark.parametrize("name", CASES)
def test_check_of_exports_has_the_energies_and_forces_of_ml_pace(name):
    found = evaluate_document(document_of(name), cluster_of(name), splines=True)
    energies, forces = np.array(CASES[name]["energies"]), np.array(CASES[name]["forces"])
    # ML-PACE has tables of the core repulsion too: 1e-12 of it
    assert np.abs(found.atomic_energies - energies).max() < 1e-11 * np.abs(energies).max()
    assert np.abs(found.forces - forces).max() < 1e-9 * np.abs(forces).max()


@pytest.mark.parametrize("name", CASES)
def test_forces_equal_differences_of_direct_sums(name):
    structure = cluster_of(name)
    direction = np.random.default_rng(0).normal(size=structure.positions.shape)
    step = 5e-4
    energy = {
        k: naive(name, replace(structure, positions=structure.positions + k * step * direction))
        .sum()
        for k in (-2, -1, 1, 2)
    }  # fmt: skip
    slope = (energy[-2] - 8 * energy[-1] + 8 * energy[1] - energy[2]) / (12 * step)
    expected = -(PacePotential(document_of(name)).predict(structure).forces * direction).sum()
    assert abs(expected) > 0.5
    # step^4 times fifth derivatives; "powers" has no third one at its cutoff
    tolerance = 1e-6 if name == "powers" else 1e-7
    assert abs(slope - expected) < tolerance * abs(expected)


def test_core_repulsion_switches_embedded_densities_off():
    """The case is not trivial: some atoms are inside the switch, some outside."""
    document = document_of("densities")
    silent = replace(document, functions=((), ()))
    core = PacePotential(silent).predict(cluster_of("densities")).atomic_energies
    core = core - np.resize(document.isolated_atom_energies, len(core))
    start = document.embeddings[0].core_cutoff - document.embeddings[0].core_width
    assert ((core > start) & (core < document.embeddings[0].core_cutoff)).any()
    assert (core < start).any()


@pytest.mark.parametrize("name", CASES)
def test_energies_without_forces_and_on_threads_are_the_same(name):
    potential, structure = PacePotential(document_of(name)), cluster_of(name)
    whole = potential.predict(structure)
    energies = potential.predict(structure, forces=False).atomic_energies
    # weighted sums in another order where there is one output
    assert np.abs(energies - whole.atomic_energies).max() < 1e-13 * np.abs(energies).max()
    parallel = potential.predict(structure, threads=2)
    assert (parallel.forces == whole.forces).all()
    assert parallel.energy == whole.energy


@pytest.mark.parametrize("name", CASES)
def test_saved_potential_predicts_the_same_bits(name, tmp_path):
    potential, structure = PacePotential(document_of(name)), cluster_of(name)
    linpot.save(potential, tmp_path / "a.linpot")
    loaded = linpot.load(tmp_path / "a.linpot")
    assert isinstance(loaded, PacePotential)
    assert loaded.elements == potential.elements
    assert loaded.n_functions == potential.n_functions
    found, expected = loaded.predict(structure), potential.predict(structure)
    assert found.energy == expected.energy
    assert (found.forces == expected.forces).all()


@pytest.mark.parametrize("name", CASES)
def test_written_potential_reads_back_as_the_same_document(name, tmp_path):
    potential, structure = PacePotential(document_of(name)), cluster_of(name)
    files = linpot.write_lammps(potential, tmp_path / "a.yace")
    assert files.lines[1] == f"pair_coeff * * a.yace {' '.join(potential.elements)}"
    assert files.radial_error == 0.0
    assert files.check.restored_energy_error == 0.0  # the same program: the same bits
    assert files.check.energy_error < 1e-10 * max(files.check.largest_force, 1.0)
    again = linpot.read_lammps(tmp_path / "a.yace")
    assert isinstance(again, PacePotential)
    assert yace_text(again.document) == yace_text(potential.document)
    assert again.predict(structure).energy == potential.predict(structure).energy


def test_pair_potentials_are_written_beside_a_foreign_file(tmp_path):
    potential = PacePotential(document_of("densities")) + zbl(2)
    lines = linpot.write_lammps(potential, tmp_path / "a.yace").lines
    assert lines[0].startswith("pair_style hybrid/overlay pace zbl")
    assert lines[1] == "pair_coeff * * pace a.yace Si Ge"


@pytest.mark.parametrize(("n_elements", "body_order"), [(1, 6), (2, 5), (3, 4)])
def test_documents_of_linpot_have_the_energies_of_their_potentials(n_elements, body_order):
    potential = linear(n_elements, body_order)
    again = PacePotential(export_potential(potential).document)
    assert again.is_linear
    structure = structure_for("triclinic", potential)
    found, expected = again.predict(structure), potential.predict(structure)
    assert np.abs(found.forces).max() > 0.1
    # tables of 0.001 A
    scale = np.abs(expected.atomic_energies).max()
    assert np.abs(found.atomic_energies - expected.atomic_energies).max() < 1e-10 * scale
    assert np.abs(found.forces - expected.forces).max() < 1e-7 * np.abs(expected.forces).max()
    assert np.abs(found.virial - expected.virial).max() < 1e-7 * np.abs(expected.virial).max()


def test_program_of_a_linpot_document_has_as_many_products():
    potential = linear(2, 5)
    document = export_potential(potential).document
    for center, own in enumerate(potential.basis.programs):
        found = pace_program(document, center, np.ones((1, 1))).program
        found.validate()
        # all pair functions of a species are one; half-basis sums may cancel some monomials
        assert found.n_leaves <= own.n_leaves
        assert found.n_leaves > 0.8 * own.n_leaves


def test_real_monomials_are_real_parts_of_complex_products():
    rng = np.random.default_rng(0)
    for function in document_of("powers").functions[0]:
        if function.rank == 1:
            continue
        ls = function.angular.tolist()
        starts = np.cumsum([1] + [2 * l + 1 for l in ls[:-1]])
        densities = np.append(0.0, rng.normal(size=sum(2 * l + 1 for l in ls)))
        monomials, coefficients = real_monomials(function, starts.tolist())
        found = coefficients[:, 0] @ densities[monomials].prod(axis=1)
        complexes = [
            real_from_complex(l).conj().T @ densities[s : s + 2 * l + 1]
            for s, l in zip(starts, ls, strict=True)
        ]
        expected = sum(
            c * np.prod([complexes[t][l + m] for t, (l, m) in enumerate(zip(ls, ms, strict=True))])
            for c, ms in zip(
                function.coefficients[:, 0], function.components.tolist(), strict=True
            )
        ).real  # fmt: skip
        assert abs(found - expected) < 1e-13 * max(abs(expected), 1.0)


@pytest.mark.parametrize("rank", [7, 10])
def test_ranks_above_those_of_linpot_have_the_energies_of_direct_sums(rank):
    document = document_of("powers")
    ls = np.array([1, 1, *[0] * (rank - 4), 1, 1])
    components = np.zeros((3, rank), dtype=np.int64)
    components[1, [0, 1]] = 1, -1
    components[2, [0, -1]] = 1, -1
    high = Function(
        species=np.zeros(rank, dtype=np.int64),
        radial=1 + np.arange(rank) % 2,
        angular=ls,
        components=components,
        coefficients=np.array([[0.3], [-0.7], [0.2]]) * 0.2**rank,
    )
    changed = replace(document, functions=((*document.functions[0], high),))
    structure = cluster_of("powers")
    symbols = [chemical_symbols[z] for z in structure.numbers]
    expected = naive_yace_energies(yace_text(changed), symbols, structure.positions)
    found = PacePotential(changed).predict(structure).atomic_energies
    assert np.abs(found - CASES["powers"]["energies"]).max() > 1e-3
    assert np.abs(found - expected).max() < 1e-9  # tables of 0.001 A against formulas


def test_small_coefficients_of_large_radial_functions_count():
    """R_nl times 1e9 and coefficients over 1e9 per factor are the same potential."""
    document = document_of("powers")
    bonds = {
        pair: replace(bond, coefficients=1e9 * bond.coefficients)
        for pair, bond in document.bonds.items()
    }
    scaled = tuple(
        f if f.rank == 1 else replace(f, coefficients=1e-9**f.rank * f.coefficients)
        for f in document.functions[0]
    )
    other = PacePotential(replace(document, bonds=bonds, functions=(scaled,)))
    found = other.predict(cluster_of("powers"))
    expected = PacePotential(document).predict(cluster_of("powers"))
    assert np.abs(found.atomic_energies - expected.atomic_energies).max() < 1e-12
    assert np.abs(found.forces - expected.forces).max() < 1e-11


@pytest.mark.parametrize("name", ["powers", "densities"])
def test_switch_that_acts_without_core_repulsion(name):
    """As ML-PACE has it: a wide switch weighs energies down even where nothing repels."""
    document = document_of(name)
    changed = replace(
        document,
        embeddings=tuple(
            replace(e, core_cutoff=200.0, core_width=250.0) for e in document.embeddings
        ),
        bonds={pair: replace(b, core_strength=0.0) for pair, b in document.bonds.items()},
    )
    structure = cluster_of(name)
    symbols = [chemical_symbols[z] for z in structure.numbers]
    expected = naive_yace_energies(yace_text(changed), symbols, structure.positions)
    found = PacePotential(changed).predict(structure).atomic_energies
    assert np.abs(found - expected).max() < 1e-9  # tables of 0.001 A against formulas
    without = replace(changed, embeddings=document.embeddings)
    assert np.abs(PacePotential(without).predict(structure).atomic_energies - found).max() > 0.01


def test_functions_that_do_not_depend_on_l_are_one_channel():
    document = export_potential(linear(1, 4)).document
    own = pace_program(document, 0, np.ones((1, 1)))
    n_radial = max(f.radial.max() for f in document.functions[0] if f.rank > 1)
    assert len(own.channels) == n_radial + 1  # and the pair potential


def test_species_without_functions_has_its_reference_energy():
    document = document_of("bessel")
    silent = PacePotential(replace(document, functions=(document.functions[0], ())))
    energies = silent.predict(cluster_of("bessel")).atomic_energies
    assert (energies[1::2] == document.isolated_atom_energies[1]).all()
    assert (energies[0::2] != document.isolated_atom_energies[0]).all()
    mute = PacePotential(replace(document, functions=((), ())))
    assert np.abs(mute.predict(cluster_of("bessel")).forces).max() == 0.0
    embedded = document_of("densities")
    half = PacePotential(replace(embedded, functions=(embedded.functions[0], ())))
    whole = PacePotential(embedded).predict(cluster_of("densities")).atomic_energies
    assert (half.predict(cluster_of("densities")).atomic_energies[0::2] == whole[0::2]).all()


@pytest.mark.parametrize("name", CASES)
def test_isolated_atom_has_its_reference_energy(name):
    document = document_of(name)
    number = atomic_numbers[document.elements[-1]]
    alone = Structure(np.array([number]), np.zeros((1, 3)), np.zeros((3, 3)), (False,) * 3)
    found = PacePotential(document).predict(alone).energy
    assert found == document.isolated_atom_energies[-1]


def test_potential_adds_to_a_baseline():
    document, structure = document_of("bessel"), cluster_of("bessel")
    pairs = [("Si", "Si"), ("Si", "Ge"), ("Ge", "Ge")]
    zbl = linpot.ZBL(("Si", "Ge"), dict.fromkeys(pairs, 1.0), dict.fromkeys(pairs, 2.5))
    total = (PacePotential(document) + zbl).predict(structure)
    parts = [model.predict(structure) for model in (PacePotential(document), zbl)]
    assert total.energy == pytest.approx(sum(p.energy for p in parts), rel=1e-14)
    assert np.abs(total.forces - sum(p.forces for p in parts)).max() < 1e-12


def test_what_the_engine_cannot_run_is_refused_with_its_place():
    document = document_of("densities")
    bonds = {p: replace(b, inner_kind="zbl") for p, b in document.bonds.items()}
    with pytest.raises(FileFormatError, match=r"bonds\[\[0, 0\]\]: inner_cutoff_type zbl"):
        PacePotential(replace(document, bonds=bonds))

    def with_embedding(**changes):
        changed = replace(document.embeddings[1], **changes)
        return replace(document, embeddings=(document.embeddings[0], changed))

    with pytest.raises(FileFormatError, match=r"embeddings\[1\]: exponents must be positive"):
        PacePotential(with_embedding(parameters=(1.0, 1.0, 1.0, 0.0)))
    with pytest.raises(FileFormatError, match="drho_core_cutoff must not be negative, got -1"):
        PacePotential(with_embedding(core_width=-1.0))


def test_damaged_state_is_refused(tmp_path):
    with pytest.raises(FileFormatError, match="the document of the potential"):
        PacePotential.from_state({"yace": "elements: [Si]"}, {})


def test_damaged_files_are_run_or_refused_but_never_break():
    """Whatever a byte is turned into: a potential, or one error that names the place."""
    text, structure = text_of("densities"), cluster_of("densities")
    rng = np.random.default_rng(0)
    pieces = [*"0123456789-.[]{}:,e \n", "1e308", "-1", "9" * 20, ".nan", "1.5", "200"]
    refused = 0
    for _ in range(150):
        start = int(rng.integers(len(text)))
        end = start + int(rng.integers(4))
        damaged = text[:start] + pieces[rng.integers(len(pieces))] + text[end:]
        try:
            potential = PacePotential(parse_yace(damaged))
        except FileFormatError:
            refused += 1
            continue
        if potential.cutoff < 50.0 and set(potential.elements) >= {"Si", "Ge"}:
            potential.predict(structure)
    assert 50 < refused < 150
