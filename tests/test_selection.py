"""Choice of structures from a pool: laws of the criteria, streaming, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from click.testing import CliRunner
from scipy.linalg import block_diag

import linpot
from linpot.cli.main import linpot as command
from linpot.errors import InputError
from linpot.selection.d_optimal import AtomInformation, EnergyInformation, nothing_known
from linpot.selection.farthest_point import FarthestPoint
from linpot.selection.leverage import LeverageSampling
from linpot.selection.row_stream import StructureRows
from linpot.uncertainty.extrapolation import ActiveSet

METHODS = ("d-optimal", "d-optimal-atoms", "fps", "cur")
N = 6


@pytest.fixture(scope="module")
def images() -> list[Atoms]:
    """Crystals of growing disorder, two elements, one of them rare."""
    found = []
    for seed in range(24):
        atoms = bulk("Cu", cubic=True) * (1, 1, 1 + seed % 3)
        atoms.rattle(0.01 * (seed % 8), seed=seed)
        if seed % 5 == 0:
            atoms.numbers[seed % len(atoms)] = 13
        found.append(atoms)
    found[3].set_cell(1.1 * found[3].cell.array, scale_atoms=True)  # distinct from its copies
    for k, atoms in enumerate(found):  # crystals that were not rattled differ in volume
        atoms.set_cell((1 + 0.002 * k) * atoms.cell.array, scale_atoms=True)
    return found


@pytest.fixture(scope="module")
def basis(images) -> linpot.Basis:
    return linpot.basis_for_pool(images, linpot.FitSettings(n_functions=30, cutoff=4.5))


@pytest.fixture(scope="module")
def rows(images, basis) -> list[StructureRows]:
    found = []
    for index, atoms in enumerate(images):
        own = [np.flatnonzero(atoms.numbers == z) for z in (13, 29)]
        features = linpot.descriptors(basis, atoms)
        parts = tuple(features[a] for a in own)
        found.append(StructureRows(index, "", len(atoms), tuple(own), parts))
    return found


def log_determinant(blocks: list[np.ndarray]) -> float:
    stacked = np.concatenate(blocks)
    return float(np.linalg.slogdet(stacked.T @ stacked)[1])


@pytest.mark.parametrize("kind", [AtomInformation, EnergyInformation])
def test_gain_is_that_of_the_determinant(rows, kind):
    """Against determinants of the information, formed anew, for both elements together."""
    rng = np.random.default_rng(0)
    known = [rng.normal(size=(40, rows[0].rows[z].shape[1])) for z in (0, 1)]
    criterion = kind(known)
    blocks = [block_diag(*known)]
    for structure in rows[:8]:
        own = block_diag(*structure.rows)
        if kind is EnergyInformation:
            own = own.sum(axis=0)[None] / np.sqrt(structure.n_atoms)
        before = log_determinant(blocks)
        whitened = np.linalg.inv(np.concatenate(blocks).T @ np.concatenate(blocks))
        blocks.append(own)
        expected = log_determinant(blocks) - before
        # determinants of squares of rows: rounding times the square of their condition, 1e4
        assert criterion.score(structure) == pytest.approx(expected, rel=1e-8)
        gain, novelty = criterion.take(structure)
        assert gain == pytest.approx(expected, rel=1e-8)
        for z, atoms in enumerate(structure.atoms):
            columns = slice(0, 30) if z == 0 else slice(30, 60)
            squares = np.einsum(
                "ia,ab,ib->i", structure.rows[z], whitened[columns, columns], structure.rows[z]
            )
            assert np.allclose(novelty[atoms], squares, rtol=1e-6)
    assert gain > 1e-3


@pytest.mark.parametrize("method", METHODS)
def test_scores_never_rise(rows, method):
    sizes = [np.ones(30), np.ones(30)]
    grams = [sum(r.rows[z].T @ r.rows[z] for r in rows) for z in (0, 1)]
    criterion = {
        "d-optimal": lambda: EnergyInformation(nothing_known(sizes)),
        "d-optimal-atoms": lambda: AtomInformation(nothing_known(sizes)),
        "fps": lambda: FarthestPoint(sizes, sizes, [np.empty((0, 30))] * 2),
        "cur": lambda: LeverageSampling(grams, N, 0),
    }[method]()
    scores = np.array([criterion.score(r) for r in rows])
    for k in (4, 9, 0):
        criterion.take(rows[k])
        now = np.array([criterion.score(r) for r in rows])
        assert (now <= scores + 1e-12 * np.abs(scores)).all()  # rounding
        scores = now


def test_shares_name_the_strange_atom(basis):
    """One atom pushed aside in a crystal that is known."""
    crystal = bulk("Cu", cubic=True) * (2, 2, 2)
    strange = crystal.copy()
    strange.positions[7] += (0.5, 0.2, 0.1)
    potential = linpot.LinearPotential(basis, np.zeros(basis.n_features), {"Al": 0.0, "Cu": 0.0})
    known = [crystal, *(rattled(crystal, seed) for seed in range(4))]
    known.append(replaced(crystal))
    potential = linpot.with_active_set(potential, known)
    for method in ("d-optimal", "d-optimal-atoms", "fps"):
        found = linpot.select(potential, [crystal, strange, known[1]], 1, method=method).chosen[0]
        assert found.index == 1
        assert found.atoms[0] == 7
        assert found.grades.argmax() == 7


def rattled(atoms: Atoms, seed: int) -> Atoms:
    moved = atoms.copy()
    moved.rattle(0.02, seed=seed)
    return moved


def replaced(atoms: Atoms) -> Atoms:
    other = rattled(atoms, 9)
    other.numbers[:4] = 13
    return other


def test_lazy_choice_is_that_of_a_full_search(rows, images, basis):
    grams = [sum(r.rows[z].T @ r.rows[z] for r in rows) for z in (0, 1)]
    atoms = [sum(len(r.rows[z]) for r in rows) for z in (0, 1)]
    sizes = [np.sqrt(np.diag(g) / n) for g, n in zip(grams, atoms, strict=True)]
    criterion = EnergyInformation(nothing_known([np.where(s > 0, s, 1.0) for s in sizes]))
    expected: list[int] = []
    for _ in range(N):
        scores = [-np.inf if r.index in expected else criterion.score(r) for r in rows]
        expected.append(int(np.argmax(scores)))
        criterion.take(rows[expected[-1]])
    assert linpot.select(basis, images, N).indices == expected


@pytest.mark.parametrize("method", METHODS)
def test_choice_does_not_depend_on_memory_or_threads(images, basis, method, monkeypatch):
    monkeypatch.setattr("linpot.workflow.selection.CHUNK", 0)
    plenty = linpot.select(basis, images, N, method=method, seed=3)
    fixed = 8 * 4 * 2 * 30**2 / 1e9
    # room for the features of two or three structures
    scarce = linpot.select(
        basis, images, N, method=method, seed=3, memory_limit=fixed + 8e-6, threads=2
    )
    assert plenty.n_passes == 1
    assert scarce.n_passes > (2 if method == "d-optimal-atoms" else 1)
    assert scarce.largest_memory < 0.5 * plenty.largest_memory
    assert scarce.indices == plenty.indices
    for a, b in zip(plenty.chosen, scarce.chosen, strict=True):
        assert np.array_equal(a.novelty, b.novelty)


def test_draw_depends_on_the_seed_alone(images, basis):
    draws = [linpot.select(basis, images, N, method="cur", seed=s).indices for s in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]


def test_draw_follows_leverages(rows):
    """Of two structures one is drawn first in proportion to its leverage."""
    rng = np.random.default_rng(0)
    pair = [
        StructureRows(k, "", 3, (np.arange(3),), (size * rng.normal(size=(3, 4)),))
        for k, size in enumerate((1.0, 0.6))
    ]
    gram = sum(p.rows[0].T @ p.rows[0] for p in pair)
    leverages = [LeverageSampling([gram], 4, 0).take(p)[0] for p in pair]
    assert sum(leverages) == pytest.approx(4.0)  # the number of directions
    first = [
        (criterion := LeverageSampling([gram], 4, seed)).score(pair[0]) > criterion.score(pair[1])
        for seed in range(2000)
    ]
    expected = leverages[0] / 4.0
    assert np.mean(first) == pytest.approx(expected, abs=4 * 0.5 / np.sqrt(2000))


def test_farthest_point_is_farther_than_all_others(images, basis):
    """Distances recomputed from descriptors: each choice is the farthest from those before."""
    selection = linpot.select(basis, images, 4, method="fps")
    features = [linpot.descriptors(basis, a) for a in images]
    joined = [np.concatenate([f[a.numbers == z] for f, a in zip(features, images, strict=True)])
              for z in (13, 29)]  # fmt: skip
    scales = [np.sqrt((j**2).mean(axis=0) * 30) for j in joined]
    scales = [np.where(s > 0, s, 1.0) for s in scales]
    for k in range(2, 4):
        worth = []
        for f, a in zip(features, images, strict=True):
            nearest = []
            for z, scale in zip((13, 29), scales, strict=True):
                known = np.concatenate(
                    [features[c][images[c].numbers == z] for c in selection.indices[:k]]
                )
                own = f[a.numbers == z]
                if len(own) and len(known):
                    d = np.linalg.norm((own[:, None] - known[None]) / scale, axis=2)
                    nearest.append(d.min(axis=1).max())
            worth.append(max(nearest))
        assert int(np.argmax(worth)) == selection.indices[k]
        # squares of distances are differences of squares of features
        assert selection.chosen[k].gain == pytest.approx(max(worth), rel=1e-6)


def test_structures_outside_come_before_known_ones(images, basis):
    potential = linpot.LinearPotential(basis, np.zeros(basis.n_features), {"Al": 0.0, "Cu": 0.0})
    potential = linpot.with_active_set(potential, images[:20])
    for method in ("d-optimal", "d-optimal-atoms", "fps"):
        selection = linpot.select(potential, images, 1, method=method)
        assert selection.known == "active set"
        assert selection.indices[0] >= 20
        assert selection.chosen[0].grades.max() > 1.1  # known ones have 1.01 at most


def test_command_writes_structures_and_reasons(images, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ase.io.write("one.xyz", images[:10], format="extxyz")
    ase.io.write("two.xyz", images[10:], format="extxyz")
    options = ["--n-functions", "30", "--cutoff", "4.5", "-n", "3", "-o", "out.extxyz"]
    result = CliRunner().invoke(
        command, ["select", "one.xyz", "two.xyz", *options, "--json", "choice.json"]
    )
    assert result.exit_code == 0, result.output
    for part in ("Pool: 24 structures", "in 1 pass", "Chosen by d-optimal", "atoms responsible"):
        assert part in result.output
    choice = json.loads((tmp_path / "choice.json").read_text())
    # from the files: positions are rounded there, and equivalent atoms tie
    settings = linpot.FitSettings(n_functions=30, cutoff=4.5)
    basis = linpot.basis_for_pool(["one.xyz", "two.xyz"], settings)
    expected = linpot.select(basis, ["one.xyz", "two.xyz"], 3)
    assert [c["index"] for c in choice["chosen"]] == expected.indices
    written = ase.io.read("out.extxyz", ":")
    for rank, (atoms, one) in enumerate(zip(written, expected.chosen, strict=True)):
        assert atoms.info["selection_rank"] == rank
        assert atoms.info["selection_index"] == one.index
        assert np.allclose(atoms.positions, images[one.index].positions, atol=1e-7)
        assert np.allclose(atoms.arrays["selection_novelty"], one.novelty, atol=1e-7)
        assert choice["chosen"][rank]["atoms"] == list(one.atoms)


def test_command_says_that_a_model_has_no_active_set(images, basis, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ase.io.write("pool.xyz", images, format="extxyz")
    potential = linpot.LinearPotential(basis, np.zeros(basis.n_features), {"Al": 0.0, "Cu": 0.0})
    linpot.save(potential, "cu.linpot")
    linpot.save(linpot.with_active_set(potential, images[:12]), "known.linpot")
    arguments = ["pool.xyz", "-n", "2", "-o", "out.extxyz", "--overwrite"]
    result = CliRunner().invoke(command, ["select", "cu.linpot", *arguments])
    assert "MODEL has no active set" in result.output
    result = CliRunner().invoke(command, ["select", "known.linpot", *arguments])
    assert result.exit_code == 0, result.output
    assert "largest grade" in result.output
    assert ase.io.read("out.extxyz").arrays["extrapolation_grade"].max() > 1.0
    result = CliRunner().invoke(command, ["select", "known.linpot", *arguments, "--cutoff", "4.0"])
    assert result.exit_code == 2
    assert "`cutoff` must not be given with MODEL" in result.output


def test_too_few_structures_are_refused(images, basis):
    with pytest.raises(InputError, match="number of structures in the pool, 24, got 25"):
        linpot.select(basis, images, 25)


def test_structure_twice_is_refused(images, basis):
    with pytest.raises(InputError, match="got structure 2 again as structure 24"):
        linpot.select(basis, [*images, images[2].copy()], 2)


def test_unknown_element_is_refused(images, basis):
    with pytest.raises(InputError, match=r"element 'Ni' \(atom 0 of structure 24 of the pool\)"):
        linpot.select(basis, [*images, bulk("Ni", cubic=True)], 2)


def test_pool_that_can_be_read_only_once_is_refused(images, basis):
    with pytest.raises(InputError, match="can be gone over again, got generator"):
        linpot.select(basis, (a for a in images), 2)


def test_other_pool_is_refused_when_picking(images, basis):
    selection = linpot.select(basis, images, 2)
    with pytest.raises(InputError, match="must be the one that was chosen from"):
        selection.pick(images[: max(selection.indices)])


def test_picking_from_a_data_set_is_refused(images, basis):
    data = linpot.Dataset.from_atoms(images)
    selection = linpot.select(basis, data, 2)
    assert selection.indices == linpot.select(basis, images, 2).indices
    with pytest.raises(InputError, match=r"take `data\.subset\(selection\.indices\)`"):
        selection.pick(data)


def test_novelty_in_blocks_is_that_at_once(rows, monkeypatch):
    known = nothing_known([np.ones(30), np.ones(30)])
    at_once = EnergyInformation(known).take(rows[5])
    monkeypatch.setattr("linpot.selection.d_optimal._BLOCK", 3)
    in_blocks = EnergyInformation(known).take(rows[5])
    assert np.allclose(in_blocks[1], at_once[1], rtol=1e-12)
    assert rows[5].n_atoms > 6


def test_active_set_travels_in_the_file(images, basis, tmp_path):
    potential = linpot.LinearPotential(basis, np.zeros(basis.n_features), {"Al": 0.0, "Cu": 0.0})
    known = linpot.with_active_set(potential, images)
    linpot.save(known, tmp_path / "a.linpot")
    loaded = linpot.learned_part(linpot.load(tmp_path / "a.linpot"))
    active = ActiveSet.of(loaded)
    structure = linpot.Dataset.from_atoms(images[:1])[0]
    before = ActiveSet.of(linpot.learned_part(known)).grades(basis_engine(known), structure)
    assert np.array_equal(active.grades(loaded.engine, structure, threads=2), before)
    with pytest.raises(InputError, match="--active-set"):
        ActiveSet.of(replace(loaded, attachments={}))


def basis_engine(potential):
    return linpot.learned_part(potential).engine
