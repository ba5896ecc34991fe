"""Rows in chunks: on processes and clusters as in one, and on again after being killed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import linpot
from linpot.errors import FileFormatError, InputError
from linpot.fitting.rows import RowBuilder
from linpot.workflow.chunks import cut_chunks

SMALL = linpot.FitSettings(n_functions=20, body_order=3, penalty=1e-4, threads=2)


@pytest.fixture(scope="module")
def data() -> linpot.Dataset:
    return linpot.read_dataset(linpot.shipped_silicon()[0])[::2]


@pytest.fixture(scope="module")
def serial(data) -> linpot.FitSession:
    return linpot.prepare_fit(data, settings=SMALL)


def gram(factor) -> np.ndarray:
    rows = factor if isinstance(factor, np.ndarray) else factor.rows()
    return rows.T @ rows


def assert_same(session: linpot.FitSession, serial: linpot.FitSession, data) -> None:
    """R^T R to 1e-12, predictions to 1e-8, both relative."""
    assert set(session.factors) == set(serial.factors)
    for name in ("energy", "forces", "stress"):
        keys = [key for key in serial.factors if key[1] == name]
        grams = {k: (gram(session.factors[k]), gram(serial.factors[k])) for k in keys}
        # forces in perfect crystals are sums that cancel: what others of their kind are, counts
        scale = max(np.abs(expected).max() for _, expected in grams.values())
        for key, (found, expected) in grams.items():
            assert session.factors[key].n_rows == serial.factors[key].n_rows
            assert np.abs(found - expected).max() <= 1e-12 * scale
    found = gram(session.factors.combined(lambda key: 1.0)[0])
    expected = gram(serial.factors.combined(lambda key: 1.0)[0])
    assert np.abs(found - expected).max() <= 1e-12 * np.abs(expected).max()
    found, expected = session.solve().potential, serial.solve().potential
    for structure in data[::7]:
        a, b = found.predict(structure), expected.predict(structure)
        assert a.energy == pytest.approx(b.energy, rel=1e-8)
        assert np.abs(a.forces - b.forces).max() <= 1e-8 * max(np.abs(b.forces).max(), 1.0)


def test_processes_give_the_factors_of_one(data, serial):
    session = linpot.prepare_fit(data, settings=replace(SMALL, backend="processes"))
    assert_same(session, serial, data)


@pytest.fixture(scope="module")
def cluster():
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None
    ) as cluster:
        yield cluster


@pytest.mark.filterwarnings("ignore")  # other packages' own
def test_cluster_gives_the_factors_of_one_process(data, serial, cluster):
    from distributed import Client

    with Client(cluster):
        session = linpot.prepare_fit(data, settings=replace(SMALL, backend="dask"))
    assert_same(session, serial, data)
    by_address = replace(SMALL, backend=cluster.scheduler_address)
    assert_same(linpot.prepare_fit(data, settings=by_address), serial, data)


def test_cluster_without_client_is_refused(data):
    pytest.importorskip("distributed")
    with pytest.raises(InputError, match="`backend` 'dask' needs a client"):
        linpot.prepare_fit(data, settings=replace(SMALL, backend="dask"))


def test_cluster_without_dask_is_refused(data, monkeypatch):
    monkeypatch.setattr("linpot.workflow.chunks.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"needs dask.distributed; pip install 'linpot\[dask\]'"):
        linpot.prepare_fit(data, settings=replace(SMALL, backend="dask"))


def test_unknown_backend_is_refused():
    with pytest.raises(InputError, match=r"`backend` must be one of .*, got 'abacus'"):
        linpot.FitSettings(backend="abacus")


def test_chunks_hold_every_structure_once(data):
    chunks = cut_chunks(data, 22)
    assert [k for first, last in chunks for k in range(first, last)] == list(range(len(data)))
    assert len(chunks) > 8


def test_checkpoint_changes_nothing(data, serial, tmp_path):
    settings = replace(SMALL, checkpoint=str(tmp_path / "parts"))
    assert_same(linpot.prepare_fit(data, settings=settings), serial, data)


def test_killed_fit_goes_on_from_finished_chunks(data, tmp_path, monkeypatch):
    settings = replace(SMALL, checkpoint=str(tmp_path / "parts"))
    whole = linpot.prepare_fit(data, settings=replace(SMALL, checkpoint=str(tmp_path / "other")))
    built: list[int] = []
    build = RowBuilder.build

    def counting(self, observations):
        built.append(len(observations))
        if sum(built) > 15 and not survived:
            raise KeyboardInterrupt
        return build(self, observations)

    monkeypatch.setattr(RowBuilder, "build", counting)
    survived = False
    with pytest.raises(KeyboardInterrupt):
        linpot.prepare_fit(data, settings=settings)
    finished = len(list((tmp_path / "parts").iterdir()))
    assert finished > 0
    built.clear()
    survived = True
    session = linpot.prepare_fit(data, settings=settings)
    assert sum(built) < len(data)  # restraints are built again
    for key, factor in whole.factors.items():
        assert (session.factors[key].rows() == factor.rows()).all()
        assert session.factors[key].n_rows == factor.n_rows


def test_weights_and_prior_may_change_on_a_checkpoint(data, tmp_path):
    """They are no part of the rows."""
    settings = replace(SMALL, checkpoint=str(tmp_path / "parts"))
    linpot.prepare_fit(data, settings=settings)
    linpot.prepare_fit(data, settings=replace(settings, weights=linpot.Weights(energy=50.0)))


@pytest.mark.parametrize(
    "changes", [{"n_functions": 24}, {"cutoff": 4.9}, {"weights": linpot.Weights(force_cap=2.0)}]
)
def test_checkpoint_of_another_fit_is_refused(data, tmp_path, changes):
    settings = replace(SMALL, checkpoint=str(tmp_path / "parts"))
    linpot.prepare_fit(data, settings=settings)
    with pytest.raises(InputError, match=r"of the same data and settings, but .* is of others"):
        linpot.prepare_fit(data, settings=replace(settings, **changes))
    with pytest.raises(InputError, match="of the same data and settings"):
        linpot.prepare_fit(data[:-1], settings=settings)


@pytest.mark.parametrize("damage", ["truncate", "flip", "replace"])
def test_damaged_checkpoint_is_refused_by_name(data, tmp_path, damage):
    settings = replace(SMALL, checkpoint=str(tmp_path / "parts"))
    linpot.prepare_fit(data, settings=settings)
    path = sorted((tmp_path / "parts").iterdir())[2]
    content = bytearray(path.read_bytes())
    if damage == "truncate":
        content = content[: len(content) // 2]
    elif damage == "flip":
        content[len(content) // 2] ^= 255
    else:
        content = bytearray(b"not a zip")
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=f"{path.name}' is damaged .*; delete this file"):
        linpot.prepare_fit(data, settings=settings)
    path.unlink()
    linpot.prepare_fit(data, settings=settings)


def test_folder_of_something_else_is_no_checkpoint(data, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"holds 'notes\.txt'"):
        linpot.prepare_fit(data, settings=replace(SMALL, checkpoint=str(tmp_path)))
    missing = str(tmp_path / "no" / "folder")
    with pytest.raises(InputError, match="`checkpoint` must be a folder that can be made"):
        linpot.prepare_fit(data, settings=replace(SMALL, checkpoint=missing))
