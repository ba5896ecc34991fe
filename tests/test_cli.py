"""The command line: what each command does, and how it tells what is wrong."""

from __future__ import annotations

import inspect
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase.build import bulk, fcc100
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from click.testing import CliRunner, Result

import linpot
from linpot.cli import demo as demo_command
from linpot.cli import fit as fit_command
from linpot.cli.main import linpot as command
from linpot.errors import ConvergenceError

SEPARATE = "mix_stderr" in inspect.signature(CliRunner).parameters  # click < 8.2
N_FUNCTIONS = 24


def run(*args: object) -> Result:
    runner = CliRunner(**({"mix_stderr": False} if SEPARATE else {}))
    return runner.invoke(command, [str(a) for a in args])


def labelled(atoms, group: str, seed: int):
    """Atoms rattled by `seed`, with labels of effective medium theory."""
    atoms.rattle(0.08, seed=seed)
    atoms.calc = EMT()
    results = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
    if atoms.pbc.all():
        results["stress"] = atoms.get_stress()
    atoms.calc = SinglePointCalculator(atoms, **results)
    atoms.info = {"config_type": group}
    return atoms


def structures(n: int, first_seed: int) -> list:
    """Return `n` structures, a third of them slabs."""
    found = []
    for seed in range(first_seed, first_seed + n):
        if seed % 3:
            found.append(labelled(bulk("Cu", cubic=True), "bulk", seed))
        else:
            found.append(labelled(fcc100("Cu", (2, 2, 2), vacuum=6.0), "slab", seed))
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with training and test data, a potential fitted to them, and its errors."""
    folder = tmp_path_factory.mktemp("cli")
    ase.io.write(folder / "train.xyz", structures(9, 0), format="extxyz")
    ase.io.write(folder / "test.xyz", structures(3, 100), format="extxyz")
    options = ["--n-functions", N_FUNCTIONS, "--body-order", 3, "--threads", 1]
    outputs = ["-o", folder / "cu.linpot", "--json", folder / "errors.json"]
    result = run("fit", folder / "train.xyz", "--test", folder / "test.xyz", *options, *outputs)
    assert result.exit_code == 0, result.output
    (folder / "fit.txt").write_text(result.stdout)
    return folder


@pytest.fixture
def workplace(folder, tmp_path, monkeypatch) -> Path:
    """An empty folder to work in; paths that begin with `folder` lead to the data."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def assert_refused(result: Result, *parts: str, code: int = 2) -> None:
    """Exit code, one line on standard error with all `parts`, and no file left behind."""
    lines = [line for line in result.stderr.splitlines() if line]
    errors = [line for line in lines if line.startswith("error: ")]
    assert result.exit_code == code, result.output
    assert len(errors) == 1, result.stderr
    assert lines[-1] == errors[0]
    assert "Traceback" not in result.output + result.stderr
    for part in parts:
        assert part in errors[0]


def assert_statistics(metrics: dict) -> None:
    assert set(metrics) == {"all", "groups"}
    for errors in [metrics["all"], *metrics["groups"].values()]:
        assert set(errors) <= {"energy", "forces", "stress"}
        for values in errors.values():
            assert set(values) == {"mae", "rmse", "max", "p95", "n"}
            assert 0.0 <= values["mae"] <= values["rmse"] <= values["max"]


# What the commands do


def test_fit_prints_data_basis_estimate_and_errors(folder):
    text = (folder / "fit.txt").read_text()
    for part in (
        "Training data: Cu",
        "calculator (9)",
        f"Basis: {N_FUNCTIONS} functions",
        "of memory",
        "estimate",
        "Energy errors (meV/atom)",
        "Force errors, per component (eV/A)",
        "Stress errors, per component (GPa)",
        "Two atoms pushed together",
        "note: E0 of Cu estimated from compositions and cohesive energies",
        f"Saved {folder / 'cu.linpot'}",
    ):
        assert part in text


def test_fit_writes_metrics_of_the_contract(folder):
    metrics = json.loads((folder / "errors.json").read_text())
    assert set(metrics) == {"n_functions", "train", "test"}
    assert abs(metrics["n_functions"]["Cu"] - N_FUNCTIONS) <= 0.03 * N_FUNCTIONS
    for name in ("train", "test"):
        assert_statistics(metrics[name])
    assert metrics["train"]["all"]["energy"]["n"] == 9
    assert metrics["train"]["all"]["stress"]["n"] == 36  # six bulk structures


def test_fit_without_test_writes_null(folder, workplace):
    result = run("fit", folder / "test.xyz", "--n-functions", 5, "--json", "m.json", "-q")
    assert result.exit_code == 0
    assert result.stdout == ""
    assert json.loads(Path("m.json").read_text())["test"] is None
    assert sorted(os.listdir()) == ["m.json", "potential.linpot", "potential.log"]


def test_fit_tunes_what_was_not_given(folder, workplace):
    options = ["--n-functions", N_FUNCTIONS, "--body-order", 3, "--threads", 1]
    tuning = ["--tune", "--tune-minutes", 0.02, "-o", "tuned.linpot"]
    result = run("fit", folder / "train.xyz", *options, *tuning)
    assert result.exit_code == 0, result.output
    assert "Tuning: at most a few seconds and about" in result.stdout
    assert "start" in result.stdout
    assert "The time was over after" in result.stdout
    assert "body order 4" not in result.stdout
    assert linpot.learned_part(linpot.load("tuned.linpot")).basis.specification.body_order == 3


def test_interrupted_tuning_fits_with_the_best(folder, workplace, monkeypatch):
    def interrupt(self, step, *, evidence):
        raise KeyboardInterrupt

    monkeypatch.setattr("linpot.workflow.tuning._Search.round", interrupt)
    options = ["--n-functions", N_FUNCTIONS, "--body-order", 3, "--threads", 1]
    result = run("fit", folder / "train.xyz", *options, "--tune", "-o", "tuned.linpot")
    assert result.exit_code == 0, result.output
    assert "Interrupted after 1 trials: nothing was better than the start" in result.stdout
    assert (workplace / "tuned.linpot").exists()


def test_fit_with_a_checkpoint_goes_on(folder, workplace):
    options = ["--n-functions", N_FUNCTIONS, "--body-order", 3, "--checkpoint", "parts"]
    first = run("fit", folder / "train.xyz", *options, "-o", "first.linpot")
    assert first.exit_code == 0, first.output
    assert list((workplace / "parts").glob("chunk-*.npz"))
    again = run("fit", folder / "train.xyz", *options, "-o", "again.linpot")
    assert again.exit_code == 0, again.output
    a, b = (linpot.learned_part(linpot.load(f"{n}.linpot")) for n in ("first", "again"))
    assert (a.coefficients == b.coefficients).all()


def test_evaluate_gives_the_errors_of_the_fit(folder, workplace):
    result = run("evaluate", folder / "cu.linpot", folder / "test.xyz", "--json", "m.json")
    assert result.exit_code == 0
    assert "Energy errors (meV/atom)" in result.stdout
    metrics = json.loads(Path("m.json").read_text())
    assert_statistics(metrics)
    assert metrics == json.loads((folder / "errors.json").read_text())["test"]


def test_predict_writes_what_the_potential_predicts(folder, workplace):
    result = run("predict", folder / "cu.linpot", folder / "test.xyz", "-o", "out.extxyz")
    assert result.exit_code == 0
    potential = linpot.load(folder / "cu.linpot")
    images = ase.io.read("out.extxyz", ":")
    assert len(images) == 3
    for atoms in images:
        expected = atoms.copy()
        expected.calc = linpot.LinpotCalculator(potential)
        # ASE writes positions and forces with 8 decimals
        np.testing.assert_allclose(
            atoms.get_potential_energy(), expected.get_potential_energy(), atol=1e-6
        )
        np.testing.assert_allclose(atoms.get_forces(), expected.get_forces(), atol=1e-6)
        assert ("stress" in atoms.calc.results) == bool(atoms.pbc.all())
        if atoms.pbc.all():
            np.testing.assert_allclose(atoms.get_stress(), expected.get_stress(), atol=1e-7)


def test_info_tells_potentials_and_data_apart_by_content(folder, workplace):
    Path("a.bin").write_bytes((folder / "cu.linpot").read_bytes())
    model, data = run("info", "a.bin"), run("info", folder / "train.xyz")
    assert model.exit_code == data.exit_code == 0
    for part in ("Potential a.bin", "linear + zbl", "C2 at the cutoff", "Made from", "versions:"):
        assert part in model.stdout
    for part in ("Data", "slab", "bulk", "energy: calculator (9)"):
        assert part in data.stdout


def test_demo_writes_potential_errors_and_figure(workplace, monkeypatch):
    monkeypatch.setattr(demo_command, "_N_STEPS", 20)
    monkeypatch.setattr(demo_command, "_N_FUNCTIONS", 20)
    result = run("demo", "--threads", 1)
    assert result.exit_code == 0, result.output
    assert sorted(os.listdir("demo")) == ["errors.json", "silicon.linpot", "silicon.png"]
    assert "at constant energy" in result.stdout
    assert_refused(run("demo"), "exists")


def test_demo_without_matplotlib_says_so(workplace, monkeypatch):
    monkeypatch.setattr(demo_command, "_N_STEPS", 5)
    monkeypatch.setattr(demo_command, "_N_FUNCTIONS", 10)
    monkeypatch.setattr(demo_command, "find_spec", lambda name: None)
    result = run("demo", "-o", "si", "--threads", 1)
    assert result.exit_code == 0, result.output
    assert sorted(os.listdir("si")) == ["errors.json", "silicon.linpot"]
    assert "pip install 'linpot[plot]'" in result.stdout


def test_config_gives_options_and_the_command_line_wins(folder, workplace):
    Path("fit.toml").write_text(
        f'train = "{folder / "test.xyz"}"\nn-functions = 30\nbody_order = 2\nbaseline = "none"\n'
        'output = "a.linpot"\n[cutoff]\nCu-Cu = 4.5\n[weights]\nenergy = 20\nslab = {forces = 2}\n'
    )
    result = run("fit", "--config", "fit.toml", "--n-functions", 8)
    assert result.exit_code == 0, result.output
    potential = linpot.load("a.linpot")
    assert isinstance(potential, linpot.LinearPotential)
    assert potential.n_functions == {"Cu": 8}
    assert potential.cutoff == 4.5
    weights = potential.provenance["settings"]["weights"]
    assert weights["energy"] == 20.0
    assert weights["groups"] == {"slab": {"forces": 2.0}}


def test_weights_on_the_command_line_reach_the_fit(folder, workplace):
    weights = "energy=10,bulk=0.5,slab.forces=2,slab.energy=3"
    result = run("fit", folder / "test.xyz", "--n-functions", 5, "--weights", weights, "-q")
    assert result.exit_code == 0, result.output
    found = linpot.learned_part(linpot.load("potential.linpot")).provenance["settings"]["weights"]
    assert found["energy"] == 10.0
    assert found["groups"] == {"bulk": 0.5, "slab": {"forces": 2.0, "energy": 3.0}}


# Wrong input: exit code 2, one line


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--cutoff", "-5"], "`cutoff` must be a positive length in A, got -5.0"),
        (["--cutoff", "1000"], "`cutoff` must leave at most 200,000 neighbors of an atom"),
        (["--cutoff", "Cu-Xx=5"], "`cutoff` must name pairs like 'Si-O' of the data, got 'Cu-Xx'"),
        (["--cutoff", "wide"], "lengths of pairs like 'Si-O=5.0,O-O=4.5', got 'wide'"),
        (["--cutoff", "Cu-Cu=5,Cu-Cu=6"], "`cutoff` must name 'Cu-Cu' once"),
        (["--weights", "liquid=0.5"], "must name groups of the data (slab, bulk), got 'liquid'"),
        (["--weights", "slab=1,slab.energy=2"], "as a whole or by property"),
        (["--weights", "energy"], "`weights` must be like"),
        (["--weights", "energy=-1"], "`weights['energy']` must be a non-negative number, got -1.0"),
        (["--e0", "isolatd"], "`e0` must be one of auto, isolated, least-squares"),
        (["--e0", "Si=-1.0"], "`e0` must name elements of the data (Cu), got 'Si'"),
        (["--e0", "Cu=low"], "`e0['Cu']` must be a number, got 'low'"),
        (["--e0", "isolated"], "needs an isolated atom of every element"),
        (["--us-per-atom", 5], "`us_per_atom` needs `tune`"),
        (["--n-functions", "2.5"], "`n_functions` must be a whole number, got '2.5'"),
        (["--n-functions", "900000"], "ask for fewer functions or raise the limit"),
        (["--n-functions", "9", "--max-degree", "4"], "only one of"),
        (["--max-degree", "8,6"], "`max_degree` must be one number or 4"),
        (["--body-order", "9"], "`body_order` must be a whole number from 2 to 7, got 9"),
        (["--solver", "magic"], "`solver` must be one of evidence, gcv, ridge, ard, omp"),
        (
            ["--baseline", "d4"],
            "d3, tblite, none, or several of them with commas, got 'd4'",
        ),
        (["--family", "moments"], "`family` must be one of"),
        (["--threads", "0"], "`threads` must be a whole number of at least 1, got 0"),
        (["--energy-key", "dft"], "`energy` key must be in at least one structure"),
        (["--test", "absent.xyz"], "`path` must be an existing file, got 'absent.xyz'"),
        (["-o", "nowhere/cu.linpot"], "create it first"),
        (["-o", "/"], "it is a folder or a device, not a file"),
        (["-o", "a", "--json", "a"], "--json must not be the file of --output, got 'a'"),
        (["--config", "absent.toml"], "cannot read 'absent.toml'"),
        (["--cutof", "5"], "No such option"),
    ],
)
def test_fit_refuses_wrong_options_in_one_line(folder, workplace, options, message):
    result = run("fit", folder / "train.xyz", *options)
    assert_refused(result, message)
    assert os.listdir() == []


def test_fit_refuses_no_data(workplace):
    assert_refused(run("fit"), "TRAIN must name at least one file")


def test_fit_refuses_data_without_labels(workplace):
    ase.io.write("bare.xyz", bulk("Cu"), format="extxyz")
    result = run("fit", "bare.xyz")
    assert_refused(result, "no structure has an energy, forces or a stress", "--energy-key")
    assert os.listdir() == ["bare.xyz"]


def test_fit_refuses_test_data_before_the_fit(folder, workplace, monkeypatch):
    ase.io.write("bare.xyz", bulk("Cu"), format="extxyz")
    ase.io.write("gold.xyz", labelled(bulk("Au"), "bulk", 1), format="extxyz")
    data = folder / "train.xyz"
    assert_refused(run("fit", data, "--test", "bare.xyz"), "`test` must have an energy")
    assert_refused(run("fit", data, "--test", "gold.xyz"), "`test` must hold elements", "'Au'")


def test_fit_refuses_to_replace_its_own_data(folder, workplace):
    ase.io.write("train.xyz", structures(2, 0), format="extxyz")
    before = Path("train.xyz").read_bytes()
    result = run("fit", "train.xyz", "-o", "train.xyz", "--overwrite")
    assert_refused(result, "--output must not be a file that is read, got 'train.xyz'")
    assert Path("train.xyz").read_bytes() == before


@pytest.mark.parametrize("option", ["-o", "--json"])
def test_fit_refuses_existing_output_without_overwrite(folder, workplace, option):
    Path("mine").write_text("precious")
    assert_refused(run("fit", folder / "test.xyz", option, "mine"), "exists", "--overwrite")
    assert Path("mine").read_text() == "precious"
    assert os.listdir() == ["mine"]


def test_overwrite_replaces_outputs(folder, workplace):
    Path("mine.json").write_text("precious")
    arguments = ["evaluate", folder / "cu.linpot", folder / "test.xyz", "--json", "mine.json"]
    assert_refused(run(*arguments), "--overwrite")
    assert run(*arguments, "--overwrite").exit_code == 0
    assert_statistics(json.loads(Path("mine.json").read_text()))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cutof = 5.0", "'cutof'; did you mean cutoff?"),
        ("colour = 'red'", "known: train, test"),
        ("cutoff = ", "fit.toml must be a TOML file"),
        ("n_functions = 2.5", "`n_functions` must be a whole number, got 2.5"),
        ("n_functions = 5\nn-functions = 6", "n_functions must be given once"),
        ("train = [3]", "`train` must be text, got 3"),
        ("test = 5", "`test` must be text, got 5"),
        ("overwrite = 1", "overwrite must be true or false, got 1"),
        ("energy_key = 5", "`energy_key` must be text, got 5"),
        ("e0 = true", "`e0` must be one of"),
        ("weights = {slab = {mass = 1.0}}", "must name groups of the data"),
    ],
)
def test_fit_refuses_wrong_config_in_one_line(folder, workplace, text, message):
    Path("fit.toml").write_text(text)
    assert_refused(run("fit", folder / "test.xyz", "--config", "fit.toml"), message)
    assert os.listdir() == ["fit.toml"]


@pytest.mark.parametrize("name", ["evaluate", "predict"])
def test_unknown_element_is_refused_by_name(folder, workplace, name):
    ase.io.write("gold.xyz", labelled(bulk("Au"), "bulk", 1), format="extxyz")
    options = ["-o", "out.xyz"] if name == "predict" else []
    result = run(name, folder / "cu.linpot", "gold.xyz", *options)
    assert_refused(result, "element 'Au'", "is not in this potential (elements: Cu)")
    assert os.listdir() == ["gold.xyz"]


@pytest.mark.parametrize("name", ["fit", "evaluate", "predict", "info"])
def test_nan_position_is_refused_with_its_place(folder, workplace, name):
    lines = (folder / "test.xyz").read_text().splitlines()
    entries = lines[2].split()
    lines[2] = " ".join([entries[0], "nan", *entries[2:]])
    Path("nan.xyz").write_text("\n".join(lines) + "\n")
    model = [folder / "cu.linpot"] if name in ("evaluate", "predict") else []
    options = ["-o", "out"] if name in ("fit", "predict") else []
    result = run(name, *model, "nan.xyz", *options)
    assert_refused(result, "`positions` must be finite, got positions[0, 0] = nan", "nan.xyz")
    assert os.listdir() == ["nan.xyz"]


@pytest.mark.parametrize("name", ["fit", "evaluate", "predict", "info"])
def test_empty_file_is_refused(folder, workplace, name):
    Path("empty.xyz").touch()
    model = [folder / "cu.linpot"] if name in ("evaluate", "predict") else []
    options = ["-o", "out"] if name in ("fit", "predict") else []
    assert_refused(run(name, *model, "empty.xyz", *options), "empty.xyz must hold at least one")


def test_evaluate_refuses_data_without_labels(folder, workplace):
    ase.io.write("bare.xyz", bulk("Cu"), format="extxyz")
    result = run("evaluate", folder / "cu.linpot", "bare.xyz", "--json", "m.json")
    assert_refused(result, "no structure has an energy, forces or a stress to compare with")
    assert os.listdir() == ["bare.xyz"]


def test_truncated_potential_is_refused(folder, workplace):
    whole = (folder / "cu.linpot").read_bytes()
    Path("cut.linpot").write_bytes(whole[: len(whole) // 2])
    Path("none.linpot").touch()
    for path in ("cut.linpot", "none.linpot"):
        message = f"cannot read potential '{path}'"
        assert_refused(run("info", path), message)
        assert_refused(run("evaluate", path, folder / "test.xyz"), message)
        assert_refused(run("predict", path, folder / "test.xyz", "-o", "out.xyz"), message)
    assert sorted(os.listdir()) == ["cut.linpot", "none.linpot"]


def test_potential_with_pickled_array_is_refused(folder, workplace):
    with zipfile.ZipFile(folder / "cu.linpot") as old, zipfile.ZipFile("bad.linpot", "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name.endswith("coefficients.npy"):
                buffer = io.BytesIO()
                np.save(buffer, np.array([{"a": 1}], dtype=object), allow_pickle=True)
                content = buffer.getvalue()
            new.writestr(name, content)
    assert_refused(run("info", "bad.linpot"), "cannot read potential 'bad.linpot'", "coefficients")


def test_data_instead_of_a_potential_is_refused(folder, workplace):
    data = folder / "test.xyz"
    assert_refused(run("evaluate", data, data), "not a linpot potential")


def test_predict_refuses_existing_output_without_overwrite(folder, workplace):
    Path("out.xyz").write_text("precious")
    result = run("predict", folder / "cu.linpot", folder / "test.xyz", "-o", "out.xyz")
    assert_refused(result, "exists", "--overwrite")
    assert Path("out.xyz").read_text() == "precious"


def test_predict_refuses_unknown_formats(folder, workplace):
    result = run("predict", folder / "cu.linpot", folder / "test.xyz", "-o", "out.foo")
    assert_refused(result, "`path` must end with a known format such as .extxyz, got 'out.foo'")


def test_unknown_command_is_refused(workplace):
    assert_refused(run("fti"), "No such command 'fti'", "linpot --help")


def test_no_command_shows_the_help(workplace):
    result = run()
    assert result.exit_code == 2
    assert "Commands:" in result.stderr


# Failures that are not the user's


def test_unexpected_error_exits_with_one_and_a_hint(folder, workplace, monkeypatch):
    def fail(*args, **kwargs):
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(fit_command, "run_fit", fail)
    result = run("fit", folder / "test.xyz")
    assert_refused(result, "unexpected ZeroDivisionError: by zero", "run again with -v", code=1)
    loud = run("fit", folder / "test.xyz", "-v")
    assert loud.exit_code == 1
    assert "Traceback" in loud.stderr
    assert os.listdir() == []


def test_lack_of_convergence_exits_with_one(folder, workplace, monkeypatch):
    def fail(*args, **kwargs):
        raise ConvergenceError("the solver stopped", iterations=7, residual=0.5)

    monkeypatch.setattr(fit_command, "run_fit", fail)
    assert_refused(run("fit", folder / "test.xyz"), "(iterations: 7, residual: 0.5)", code=1)


def test_interrupt_exits_with_130_and_writes_nothing(folder, workplace, monkeypatch):
    def stop(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(fit_command, "run_fit", stop)
    assert_refused(run("fit", folder / "test.xyz"), "interrupted", code=130)
    assert os.listdir() == []


# As a program of its own


def program(*args: object) -> subprocess.CompletedProcess:
    code = "from linpot.cli.main import main; main()"
    arguments = [sys.executable, "-c", code, *map(str, args)]
    return subprocess.run(arguments, capture_output=True, text=True, timeout=120, check=False)


def test_program_reports_its_version(workplace):
    done = program("--version")
    assert done.returncode == 0
    assert done.stdout == f"linpot {linpot.__version__}\n"


def test_program_separates_results_from_errors(folder, workplace):
    done = program("evaluate", folder / "cu.linpot", folder / "test.xyz")
    assert done.returncode == 0
    assert "Energy errors" in done.stdout
    assert done.stderr == ""
    failed = program("evaluate", folder / "cu.linpot", "absent.xyz")
    assert failed.returncode == 2
    assert failed.stdout == ""
    assert failed.stderr.startswith("error: ")
    assert failed.stderr.count("\n") == 1
