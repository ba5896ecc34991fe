"""Documents as potentials: what linpot wrote comes back, what it cannot express is refused."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from itertools import combinations_with_replacement
from pathlib import Path

import numpy as np
import pytest
from ase.data import atomic_numbers

from linpot.errors import FileFormatError
from linpot.lammps.document import YaceDocument
from linpot.lammps.export import export_potential
from linpot.lammps.restore import OtherProgramError, restore_potential
from linpot.lammps.yace_parser import parse_yace
from linpot.lammps.yace_text import yace_text
from linpot.model.linear_potential import LinearPotential
from linpot.structures.neighbors import find_neighbors
from linpot.structures.structure import Structure
from tests.laws.cases import linear, structure_for
from tests.test_yace_export import CASES, STRUCTURES, assert_close, potential_of


def written(potential: LinearPotential) -> YaceDocument:
    return parse_yace(yace_text(export_potential(potential).document))


def by_block(potential: LinearPotential) -> dict[tuple, list[float]]:
    """Coefficients by centre species and factors; inside a block in order."""
    result = defaultdict(list)
    starts = potential.basis.feature_offsets
    for species, program in enumerate(potential.basis.programs):
        for f, factors in enumerate(program.factors):
            used = sorted(map(tuple, factors[factors[:, 0] >= 0].tolist()))
            result[species, tuple(used)].append(potential.coefficients[starts[species] + f])
    return result


def largest_pair_energy(potential: LinearPotential) -> float:
    """Over all dimers from the middle of the taper on."""
    largest = 0.0
    for pair in combinations_with_replacement(potential.elements, 2):
        numbers = np.array([atomic_numbers[s] for s in pair])
        for r in np.linspace(1.6, potential.cutoff, 40):
            ends = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, r]])
            dimer = Structure(numbers, ends, np.zeros((3, 3)), (False,) * 3)
            bound = potential.predict(dimer, forces=False).energy
            bound -= sum(potential.isolated_atom_energies[s] for s in pair)
            largest = max(largest, abs(bound))
    return largest


@pytest.mark.parametrize(("n_elements", "body_order"), CASES)
def test_reader_after_writer_gives_the_same_potential(n_elements, body_order):
    potential = potential_of(n_elements, body_order)
    again = restore_potential(written(potential))
    assert again.elements == potential.elements
    assert again.n_functions == potential.n_functions
    scale = np.abs(potential.coefficients).max()
    found, expected = by_block(again), by_block(potential)
    assert found.keys() == expected.keys()
    for block, values in expected.items():
        # pair functions are summed in g_k and projected back, the others solved for by block
        tolerance = 1e-10 if len(block[1]) == 1 else 1e-12
        assert np.abs(np.subtract(found[block], values)).max() < tolerance * scale
    for name in STRUCTURES:
        structure = structure_for(name, potential)
        expected = potential.predict(structure)
        tolerance = 1e-12
        if body_order == 2:  # sums of g_k are good to 1e-12 of each pair, which may cancel
            neighbors = np.diff(find_neighbors(structure, potential.cutoff).offsets).max()
            size = neighbors * largest_pair_energy(potential)
            tolerance *= size / np.abs(expected.atomic_energies).max()
        assert_close(again.predict(structure), expected, tolerance, 10 * tolerance)


def test_reader_orders_the_elements_as_linpot_does():
    potential = linear(2, 4)
    document = written(potential)
    swap = {0: 1, 1: 0}
    swapped = replace(
        document,
        elements=document.elements[::-1],
        isolated_atom_energies=document.isolated_atom_energies[::-1],
        bonds={(swap[i], swap[j]): b for (i, j), b in document.bonds.items()},
        functions=tuple(
            tuple(replace(f, species=1 - f.species) for f in functions)
            for functions in document.functions[::-1]
        ),
    )
    structure = structure_for("triclinic", potential)
    again = restore_potential(swapped)
    assert again.elements == potential.elements
    assert_close(again.predict(structure), potential.predict(structure), 1e-12, 1e-11)


def test_order_of_factors_and_full_lists_of_products_do_not_matter():
    potential = linear(2, 4)
    document = written(potential)

    def shuffled(function):
        if function.rank == 1:
            return function
        turned = slice(None, None, -1)
        components = function.components[:, turned]
        both = np.concatenate([components, -components])
        return replace(
            function,
            species=function.species[turned],
            radial=function.radial[turned],
            angular=function.angular[turned],
            components=both,
            coefficients=0.5 * np.concatenate([function.coefficients] * 2),
        )

    other = replace(document, functions=tuple(tuple(map(shuffled, f)) for f in document.functions))
    structure = structure_for("triclinic", potential)
    expected = potential.predict(structure)
    assert_close(restore_potential(other).predict(structure), expected, 1e-12, 1e-11)


def test_species_without_functions_is_read():
    document = written(linear(2, 3))
    silent = replace(document, functions=(document.functions[0], ()))
    potential = restore_potential(silent)
    structure = structure_for("triclinic", potential)
    energies = potential.predict(structure).atomic_energies
    assert (energies[1::2] == document.isolated_atom_energies[1]).all()


def test_restored_potential_can_be_saved(tmp_path):
    import linpot

    potential = restore_potential(written(linear(2, 3)))
    linpot.save(potential, tmp_path / "again.linpot")
    structure = structure_for("molecule", potential)
    loaded = linpot.load(tmp_path / "again.linpot")
    assert loaded.predict(structure).energy == potential.predict(structure).energy


def with_bonds(document: YaceDocument, **changes) -> YaceDocument:
    bonds = {pair: replace(bond, **changes) for pair, bond in document.bonds.items()}
    return replace(document, bonds=bonds)


def test_documents_of_other_kinds_are_refused_with_the_reason():
    document = written(linear(1, 3))
    bond = document.bonds[0, 0]
    by_l = bond.coefficients.copy()
    by_l[0, 1] *= 1.1
    rows = 1.01 * bond.coefficients
    curved = replace(document.embeddings[0], parameters=(1.0, 0.5))
    switched = replace(document.embeddings[0], core_cutoff=200.0)
    pairs = document.functions[0][0]
    body = max(document.functions[0], key=lambda f: len(f.components))
    odd = replace(
        body, coefficients=body.coefficients * np.arange(1, len(body.components) + 1)[:, None]
    )
    cases = {
        "one linear density": replace(document, embeddings=(curved,)),
        "rho_core_cutoff acts": replace(document, embeddings=(switched,)),
        "radbasename is ChebPow": with_bonds(document, family="ChebPow"),
        "prehc is not 0": with_bonds(document, core_strength=1.0),
        "dcut is not 0": with_bonds(document, cutoff_width=0.1),
        "inner_cutoff_type is density": with_bonds(document, inner_kind="density"),
        "radcoefficients depend on l": with_bonds(document, coefficients=by_l),
        "radcoefficients are not those": with_bonds(document, coefficients=rows),
        "must be a positive": with_bonds(document, parameters=(-1.0,)),
        "pair terms with species 0": replace(
            document, functions=((replace(pairs, radial=np.array([1])),),)
        ),
        "is no rotation-invariant one": replace(document, functions=((odd,),)),
    }  # fmt: skip
    for message, other in cases.items():
        with pytest.raises(OtherProgramError, match=message) as caught:
            restore_potential(other)
        assert "`PacePotential` runs it" in str(caught.value)


def test_damaged_files_are_read_or_refused_but_never_break():
    """Whatever a byte is turned into: a potential, or one error that names the place."""
    folder = Path(__file__).parent / "data" / "yace" / "ml_pace"
    text = (folder / "silicon.yace").read_text()
    rng = np.random.default_rng(0)
    pieces = [
        *"0123456789-.[]{}:,e \n#'\"!?|>%@abN\t\0",
        "1e308",
        "-1",
        "9" * 20,
        ".nan",
        "null",
        "1.5",
    ]
    refused = 0
    for _ in range(400):
        start = int(rng.integers(len(text)))
        end = start + int(rng.integers(4))
        damaged = text[:start] + pieces[rng.integers(len(pieces))] + text[end:]
        try:
            restore_potential(parse_yace(damaged))
        except FileFormatError:
            refused += 1
    assert 200 < refused < 400
