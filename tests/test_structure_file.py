"""Data sets larger than memory: the same numbers from a temporary file, in bounded memory."""

from __future__ import annotations

import errno
import tempfile
from dataclasses import fields, replace

import numpy as np
import pytest

import linpot
from linpot.errors import InputError
from linpot.io.structure_file import StructureFile, hold_structures
from linpot.parallel import map_in_order
from linpot.structures import distances
from linpot.structures.structure import Labels, Structure
from linpot.workflow import tally
from linpot.workflow.tally import Tally

SMALL = linpot.FitSettings(n_functions=20, body_order=3, penalty=1e-4, threads=2)


@pytest.fixture(scope="module")
def path():
    return linpot.shipped_silicon()[0]


@pytest.fixture(scope="module")
def held(path) -> linpot.Dataset:
    return linpot.read_dataset(path, index="::3")


@pytest.fixture(scope="module")
def filed(path) -> linpot.Dataset:
    return linpot.read_dataset(path, index="::3", structure_memory=0.0)


def assert_same(one: Structure, other: Structure) -> None:
    for name in ("numbers", "positions", "cell"):
        assert np.array_equal(getattr(one, name), getattr(other, name))
    for name in ("pbc", "group", "weight", "name"):
        assert getattr(one, name) == getattr(other, name)
    for field in fields(Labels):
        a, b = getattr(one.labels, field.name), getattr(other.labels, field.name)
        assert (a is None) == (b is None)
        assert a is None or np.array_equal(a, b)


def test_structures_come_back_as_they_were(held):
    bare = replace(held[0], labels=Labels(), pbc=(True, False, True), weight=0.25, group="größer")
    some = replace(held[1], labels=Labels(energy=-0.0, forces=held[1].labels.forces), name="")
    everything = [bare, some, *held]
    stored = StructureFile(everything)
    assert len(stored) == len(everything)
    for k in reversed(range(len(everything))):
        assert_same(stored[k], everything[k])
    assert_same(stored[-1], everything[-1])
    assert stored[2].positions.flags.writeable  # kernels are compiled for such arrays
    assert stored[2].positions.flags.aligned
    with pytest.raises(IndexError):
        stored[len(everything)]


def test_structures_move_into_a_file_beyond_the_bound(held):
    assert isinstance(hold_structures(held, 1.0), tuple)
    stored = hold_structures(iter(held), 1e-5)
    assert isinstance(stored, StructureFile)
    for one, other in zip(stored, held, strict=True):
        assert_same(one, other)


def test_parts_of_a_data_set_in_a_file_stay_there(held, filed):
    assert held.is_in_memory
    assert held.memory > 0
    pairs = [
        (filed, held),
        (filed[2:9:3], held[2:9:3]),
        (filed[3:].subset([5, 0, 0]), held[3:].subset([5, 0, 0])),
        (filed[:4] + held[1:3], held[:4] + held[1:3]),
    ]
    for one, other in pairs:
        assert not one.is_in_memory
        assert one.memory == 0
        assert one.content_hash() == other.content_hash()
        assert one.summary() == other.summary()
        assert one.contents.groups == other.contents.groups
        assert repr(one) == repr(other)


def test_fit_and_errors_have_the_same_bits(held, filed):
    found = linpot.run_fit(filed, test=filed[::5], settings=SMALL)
    expected = linpot.run_fit(held, test=held[::5], settings=SMALL)
    one, other = (linpot.learned_part(r.potential) for r in (found, expected))
    assert (one.coefficients == other.coefficients).all()
    assert one.provenance == other.provenance
    assert (found.train, found.test) == (expected.train, expected.test)


def test_fit_of_a_path_has_the_same_bits(path, tmp_path, monkeypatch):
    expected = linpot.fit(path, n_functions=20, body_order=3)
    monkeypatch.setattr(
        "linpot.io.datasets.read_dataset.__kwdefaults__",
        {**linpot.read_dataset.__kwdefaults__, "structure_memory": 0.0},
    )
    found = linpot.fit(path, n_functions=20, body_order=3)
    one, other = linpot.learned_part(found), linpot.learned_part(expected)
    assert (one.coefficients == other.coefficients).all()


def test_cross_validation_has_the_same_bits(held, filed):
    assert linpot.cross_validate(filed, settings=SMALL, folds=3) == linpot.cross_validate(
        held, settings=SMALL, folds=3
    )


def test_tuning_tries_the_same(held, filed):
    def trials(data):
        hold = ["cutoff", "decay", "taper", "body_order", "pair_weight", "degree_offsets", "prior"]
        tuned = linpot.tune(data, settings=SMALL, n_functions=20, minutes=10, hold=hold)
        return [(t.change, t.score) for t in tuned.trials]

    assert trials(filed) == trials(held)


def test_session_changes_alike(held, filed):
    one = linpot.prepare_fit(filed[:-3], settings=SMALL)
    other = linpot.prepare_fit(held[:-3], settings=SMALL)
    for session, data in ((one, filed), (other, held)):
        session.add(data[-3:])
    assert (one.solve().coefficients == other.solve().coefficients).all()


def test_checkpoint_of_structures_in_memory_serves_those_in_a_file(held, filed, tmp_path):
    settings = replace(SMALL, checkpoint=str(tmp_path / "parts"))
    expected = linpot.prepare_fit(held, settings=settings).solve()
    times = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "parts").iterdir()}
    found = linpot.prepare_fit(filed, settings=settings).solve()
    assert {p.name: p.stat().st_mtime_ns for p in (tmp_path / "parts").iterdir()} == times
    assert (found.coefficients == expected.coefficients).all()


def test_error_bars_have_the_same_bits(held, filed):
    settings = replace(SMALL, penalty="evidence")
    one = linpot.fit_with_error_bars(filed, settings=settings, folds=3)
    other = linpot.fit_with_error_bars(held, settings=settings, folds=3)
    mine, theirs = (linpot.learned_part(p).attachments for p in (one, other))
    assert set(mine) == set(theirs)
    assert all(np.array_equal(mine[name], theirs[name]) for name in mine)


def test_full_disk_is_said_with_a_remedy(held, monkeypatch):
    class Full:
        def write(self, content):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", Full)
    with pytest.raises(InputError, match="No space left on device; set TMPDIR to a folder"):
        StructureFile(held)


def test_negative_bound_is_refused(path):
    with pytest.raises(InputError, match=r"`structure_memory` must be .*, got -1"):
        linpot.read_dataset(path, structure_memory=-1.0)


@pytest.mark.parametrize("index", ["-7:", "5:-3:2", "::-4", "-1", "3:9"])
def test_frames_are_selected_as_from_a_list(path, index):
    numbers = range(len(linpot.read_dataset(path)))
    wanted = eval(f"numbers[{index}]", {"numbers": numbers})
    wanted = [wanted] if isinstance(wanted, int) else list(wanted)
    found = linpot.read_dataset(path, index=index)
    assert found.content_hash() == linpot.read_dataset(path).subset(wanted).content_hash()


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_slow_reader_of_results_stops_the_work(threads):
    taken = []

    def tasks():
        for k in range(100):
            taken.append(k)
            yield k

    results = map_in_order(lambda k: k * k, tasks(), threads)
    seen = []
    for result in results:
        seen.append(result)
        assert len(taken) <= len(seen) + 2 * threads
    assert seen == [k * k for k in range(100)]


def test_error_in_a_task_reaches_the_reader():
    def work(k):
        if k == 3:
            raise ValueError("third")
        return k

    with pytest.raises(ValueError, match="third"):
        list(map_in_order(work, range(50), 2))


def test_condensed_statistics_are_those_of_all_errors(monkeypatch):
    errors = np.random.default_rng(5).standard_normal(30_000) ** 3
    exact = Tally()
    exact.add(errors)
    monkeypatch.setattr(tally, "MOST_HELD", 1000)
    condensed, other = Tally(), Tally()
    for part in np.split(errors[:20_000], 40):
        condensed.add(part)
    other.add(errors[20_000:20_400])
    other.add(errors[20_400:])
    condensed.merge(other)
    found, expected = condensed.statistics(), exact.statistics()
    assert found["n"] == expected["n"]
    assert found["max"] == expected["max"]
    for name in ("mae", "rmse"):  # sums in another order
        assert found[name] == pytest.approx(expected[name], rel=1e-12)
    # bins are 1e-4 wide; neighbors of the percentile lie 1e-4 apart
    assert found["p95"] == pytest.approx(expected["p95"], rel=1e-3)


def test_median_distance_of_many_pairs_is_that_of_evenly_spread_ones(held, monkeypatch):
    exact = distances.survey_distances(held, ("Si",))["Si", "Si"]
    monkeypatch.setattr(distances, "_MOST", 500)
    thinned = distances.survey_distances(held, ("Si",))["Si", "Si"]
    assert thinned.shortest == exact.shortest
    # a few hundred of distances that scatter by some percent
    assert thinned.typical == pytest.approx(exact.typical, rel=0.01)


def test_command_fits_from_a_temporary_file(path, tmp_path):
    from click.testing import CliRunner

    from linpot.cli.main import linpot as main

    def fitted(*options: str) -> tuple[np.ndarray, str]:
        output = str(tmp_path / "si.linpot")
        command = ["fit", str(path), "--n-functions", "10", "--body-order", "3", "-o", output]
        result = CliRunner().invoke(main, [*command, "--overwrite", *options])
        assert result.exit_code == 0, result.output
        return linpot.learned_part(linpot.load(output)).coefficients, result.output

    found, said = fitted("--structure-memory", "0")
    expected, silent = fitted()
    assert (found == expected).all()
    assert "stay in a temporary file" in said
    assert "temporary file" not in silent
