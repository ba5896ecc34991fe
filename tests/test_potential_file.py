"""The potential file: equal bits back, equal bytes out, and damage named."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from linpot.baselines.zbl import ZBL
from linpot.basis.families import build_basis
from linpot.basis.radial import RadialParameters
from linpot.basis.specification import BasisSpecification
from linpot.errors import FileFormatError, InputError
from linpot.io.potential_file import load_potential, save_potential
from linpot.model.linear_potential import LinearPotential
from linpot.model.sum import ModelSum
from linpot.structures.structure import Structure

PAIRS = [("H", "H"), ("H", "Si"), ("Si", "Si")]


def linear(seed: int = 0) -> LinearPotential:
    basis = build_basis(
        BasisSpecification(
            ("H", "Si"),
            {pair: RadialParameters(4.0, 2.0, 0.5, 1.0) for pair in PAIRS},
            body_order=4,
            max_degree={"H": 2, "Si": 3},
        )
    )
    coefficients = np.random.default_rng(seed).normal(size=basis.n_features)
    return LinearPotential(basis, coefficients, {"H": -1.0, "Si": -4.5}, {"seed": seed})


def total(seed: int = 0) -> ModelSum:
    zbl = ZBL(("H", "Si"), dict.fromkeys(PAIRS, 0.8), dict.fromkeys(PAIRS, 1.6))
    return linear(seed) + zbl


def cluster() -> Structure:
    positions = np.random.default_rng(1).uniform(0, 3, size=(6, 3)) + np.arange(6)[:, None]
    return Structure(
        np.array([1, 14, 14, 1, 14, 1]), positions, np.zeros((3, 3)), (False, False, False)
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save_potential(total(), tmp_path / "good.linpot")
    return tmp_path / "good.linpot"


def rewrite(path: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """Copy a potential file with other contents."""
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    change(entries)
    changed = path.with_name("changed.linpot")
    with zipfile.ZipFile(changed, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return changed


def with_header(path: Path, change: Callable[[dict], None]) -> Path:
    def edit(entries: dict[str, bytes]) -> None:
        header = json.loads(entries["header.json"])
        change(header)
        entries["header.json"] = json.dumps(header).encode()

    return rewrite(path, edit)


def with_array(path: Path, name: str, change: Callable[[np.ndarray], np.ndarray | None]) -> Path:
    def edit(entries: dict[str, bytes]) -> None:
        array = np.load(io.BytesIO(entries[f"0/{name}.npy"]))
        changed = change(array)
        buffer = io.BytesIO()
        np.save(buffer, array if changed is None else changed, allow_pickle=True)
        entries[f"0/{name}.npy"] = buffer.getvalue()

    return rewrite(path, edit)


def test_loaded_potential_predicts_the_same_bits(path):
    found, expected = load_potential(path).predict(cluster()), total().predict(cluster())
    assert np.abs(expected.forces).max() > 1e-3
    assert found.energy == expected.energy
    assert np.array_equal(found.forces, expected.forces)
    assert np.array_equal(found.virial, expected.virial)


def test_loaded_potential_is_the_saved_one(path):
    learned, zbl = load_potential(path).parts
    assert isinstance(learned, LinearPotential)
    assert isinstance(zbl, ZBL)
    assert np.array_equal(learned.coefficients, linear().coefficients)
    assert learned.isolated_atom_energies == {"H": -1.0, "Si": -4.5}
    assert learned.provenance == {"seed": 0}
    assert learned.basis.specification.as_dict() == linear().basis.specification.as_dict()
    assert zbl.to_state() == total().parts[1].to_state()


def test_equal_potentials_make_equal_bytes(path, tmp_path):
    save_potential(load_potential(path), tmp_path / "again.linpot")
    assert (tmp_path / "again.linpot").read_bytes() == path.read_bytes()
    save_potential(total(seed=1), tmp_path / "other.linpot")
    assert (tmp_path / "other.linpot").read_bytes() != path.read_bytes()


def test_header_says_format_version_and_kinds(path):
    with zipfile.ZipFile(path) as archive:
        header = json.loads(archive.read("header.json"))
    assert header["format"] == "linpot potential"
    assert header["format_version"] == 1
    assert [part["kind"] for part in header["model"]["parts"]] == ["linear", "zbl"]


def test_arrays_are_plain_numbers(path):
    with zipfile.ZipFile(path) as archive:
        names = [n for n in archive.namelist() if n.endswith(".npy")]
        assert len(names) > 10
        for name in names:
            array = np.load(io.BytesIO(archive.read(name)), allow_pickle=False)
            assert array.dtype in (np.float64, np.int64)


def test_existing_file_is_kept_when_asked(path):
    before = path.read_bytes()
    with pytest.raises(InputError, match="exists"):
        save_potential(total(seed=1), path, overwrite=False)
    assert path.read_bytes() == before


def test_missing_file_is_refused_with_its_name(tmp_path):
    with pytest.raises((InputError, FileNotFoundError), match=r"nowhere\.linpot"):
        load_potential(tmp_path / "nowhere.linpot")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_truncated_file_is_refused(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(FileFormatError, match=r"cannot read potential .*good\.linpot"):
        load_potential(path)


def test_file_of_another_kind_is_refused(tmp_path):
    other = tmp_path / "data.extxyz"
    other.write_text("2\nenergy=1.0\nH 0 0 0\nH 0 0 1\n")
    with pytest.raises(FileFormatError, match="not a linpot potential, or damaged"):
        load_potential(other)


@pytest.mark.parametrize("seed", range(30))
def test_flipped_bytes_never_raise_anything_else(path, seed):
    """Anything may happen to the numbers, but the only exception is FileFormatError."""
    content = bytearray(path.read_bytes())
    rng = np.random.default_rng(seed)
    for at in rng.integers(0, len(content), size=3):
        content[at] ^= int(rng.integers(1, 256))
    path.write_bytes(bytes(content))
    try:
        load_potential(path).predict(cluster())
    except FileFormatError as error:
        assert "good.linpot" in str(error)  # noqa: PT017


def test_object_arrays_are_refused(path):
    changed = with_array(path, "coefficients", lambda a: a.astype(object))
    with pytest.raises(FileFormatError, match=r"array '0/coefficients\.npy' cannot be read"):
        load_potential(changed)


def test_arrays_of_text_are_refused(path):
    changed = with_array(path, "coefficients", lambda a: a.astype(str))
    with pytest.raises(FileFormatError, match=r"'0/coefficients\.npy' must hold numbers, got <U"):
        load_potential(changed)


@pytest.mark.parametrize("version", [2, 0, "1", None, 1.5])
def test_other_format_version_is_refused_with_its_value(path, version):
    changed = with_header(path, lambda h: h.update(format_version=version))
    with pytest.raises(FileFormatError, match=f"format version must be 1 to 1, got {version!r}"):
        load_potential(changed)


def test_other_format_is_refused(path):
    changed = with_header(path, lambda h: h.update(format="something"))
    with pytest.raises(FileFormatError, match="its header is not that of a linpot potential"):
        load_potential(changed)


def test_missing_header_is_refused(path):
    changed = rewrite(path, lambda entries: entries.pop("header.json"))
    with pytest.raises(FileFormatError, match=r"it has no header\.json"):
        load_potential(changed)


def test_unknown_kind_is_refused_with_its_name(path):
    changed = with_header(path, lambda h: h["model"].update(kind="neural"))
    with pytest.raises(FileFormatError, match="model kind 'neural' is not known to this version"):
        load_potential(changed)


def test_sum_inside_a_sum_is_refused(path):
    changed = with_header(path, lambda h: h["model"]["parts"][0].update(kind="sum"))
    with pytest.raises(FileFormatError, match="a sum inside a sum is not written by linpot"):
        load_potential(changed)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("term_left", 10**9),
        ("term_right", -1),
        ("term_target", 0),
        ("leaf_left", 10**6),
        ("leaf_right", -5),
        ("feature_leaf", 10**6),
        ("feature_offsets", 7),
        ("channel_radial", -1),
        ("channel_angular", -2),
        ("channel_start", 0),
        ("channel_size", 0),
    ],
)
def test_indices_out_of_range_are_refused(path, name, value):
    def change(array: np.ndarray) -> None:
        array[0] = value

    changed = with_array(path, f"program0/{name}", change)
    with pytest.raises(FileFormatError, match=f"`{name}` of the program is inconsistent"):
        load_potential(changed)


def test_implausible_number_of_nodes_is_refused(path):
    changed = with_array(path, "program0/n_nodes", lambda a: np.array(10**12))
    with pytest.raises(FileFormatError, match="`n_nodes` of the program is inconsistent"):
        load_potential(changed)


@pytest.mark.parametrize("seed", range(40))
def test_random_numbers_in_any_array_never_crash(path, seed):
    """Kernels trust a program, so whatever is loaded must be safe to run."""
    rng = np.random.default_rng(seed)
    with zipfile.ZipFile(path) as archive:
        names = sorted(n[2:-4] for n in archive.namelist() if n.startswith("0/program0/"))
    name = names[seed % len(names)]

    def change(array: np.ndarray) -> np.ndarray:
        flat = array.ravel().copy()
        top = int(flat.max(initial=1)) + 2
        at = rng.integers(0, len(flat), size=2)
        flat[at] = rng.integers(-2, top, size=2) if rng.random() < 0.7 else 2**62
        return flat.reshape(array.shape)

    changed = with_array(path, name, change)
    try:
        model = load_potential(changed)
    except FileFormatError:
        return
    prediction = model.predict(cluster())
    assert prediction.forces.shape == (6, 3)
    model.parts[0].design(cluster())


def test_missing_array_is_refused_with_its_name(path):
    changed = rewrite(path, lambda entries: entries.pop("0/program0/leaf_left.npy"))
    with pytest.raises(FileFormatError, match="the program lacks leaf_left"):
        load_potential(changed)


def test_wrong_type_of_an_index_array_is_refused(path):
    changed = with_array(path, "program0/leaf_left", lambda a: a.astype(np.float64))
    with pytest.raises(FileFormatError, match="`leaf_left` must be int64, got float64"):
        load_potential(changed)


def test_wrong_number_of_coefficients_is_refused(path):
    changed = with_array(path, "coefficients", lambda a: a[:-1])
    with pytest.raises(FileFormatError, match="`coefficients` must have shape"):
        load_potential(changed)


def test_radial_functions_that_are_too_few_are_refused(path):
    changed = with_array(path, "radial_recurrence", lambda a: a[:, :, :1])
    with pytest.raises(FileFormatError, match="do not belong together"):
        load_potential(changed)


@pytest.mark.parametrize(
    ("column", "value"), [(0, -4.0), (0, 1e6), (1, 0.0), (2, 3.0), (3, np.nan)]
)
def test_damaged_radial_parameters_are_refused(path, column, value):
    def change(array: np.ndarray) -> None:
        array[0, 0, column] = value

    changed = with_array(path, "radial_parameters", change)
    with pytest.raises(FileFormatError):
        load_potential(changed)


def test_a_potential_says_briefly_what_it_is():
    potential = linear()
    for thing in (potential, potential.basis):
        text = repr(thing)
        assert "functions on Si" in text
        assert len(text) < 120
