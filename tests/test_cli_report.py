"""Pages from the command line."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path

import ase.io
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from click.testing import CliRunner, Result

import linpot
from linpot.cli.main import linpot as command

SEPARATE = "mix_stderr" in inspect.signature(CliRunner).parameters  # click < 8.2


def run(*args: object) -> Result:
    runner = CliRunner(**({"mix_stderr": False} if SEPARATE else {}))
    return runner.invoke(command, [str(a) for a in args])


def metrics_of(path: Path) -> dict:
    text = path.read_text(encoding="utf-8")
    return json.loads(re.search(r'id="linpot-metrics">(.*?)</script>', text).group(1))


@pytest.fixture
def workplace(tmp_path, monkeypatch) -> Path:
    """A folder with data of copper, and a potential that needs no fit."""
    images = []
    for seed in range(14):
        atoms = bulk("Cu", cubic=True)
        atoms.rattle(0.1, seed=seed)
        atoms.calc = EMT()
        results = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
        atoms.calc = SinglePointCalculator(atoms, **results)
        atoms.info["config_type"] = "hot" if seed % 2 else "cold"
        images.append(atoms)
    monkeypatch.chdir(tmp_path)
    ase.io.write("train.xyz", images[:8], format="extxyz")
    ase.io.write("test.xyz", images[8:], format="extxyz")
    potential = linpot.ZBL(("Cu",), {("Cu", "Cu"): 1.0}, {("Cu", "Cu"): 3.0})
    linpot.save(potential, "zbl.linpot")
    return tmp_path


def test_fit_writes_a_page_with_its_metrics(workplace):
    options = ["--n-functions", 8, "--body-order", 2, "--threads", 1, "--active-set"]
    outputs = ["--report", "page.html", "--figures", "figures", "--json", "errors.json"]
    result = run("fit", "train.xyz", "--test", "test.xyz", *options, *outputs)
    assert result.exit_code == 0, result.output
    assert "Saved page.html" in result.stdout
    written = json.loads((workplace / "errors.json").read_text())
    assert metrics_of(workplace / "page.html") == {p: written[p] for p in ("train", "test")}
    page = (workplace / "page.html").read_text(encoding="utf-8")
    assert 'id="grades"' in page  # of the active set
    assert 'id="sizes-forces"' in page  # of the equations
    assert {p.name for p in (workplace / "figures").iterdir()} >= {
        "parity_energy.png",
        "parity_energy.svg",
    }


def test_report_writes_a_page_of_any_model(workplace):
    result = run("report", "zbl.linpot", "test.xyz", "--train", "train.xyz", "-o", "page.html")
    assert result.exit_code == 0, result.output
    found = metrics_of(workplace / "page.html")
    assert found["test"] == linpot.evaluate(linpot.load("zbl.linpot"), "test.xyz")
    assert found["train"]["all"]["energy"]["n"] == 8
    again = run("report", "zbl.linpot", "test.xyz", "-o", "page.html", "--title", "Two <b>")
    assert again.exit_code == 2
    assert "exists" in again.stderr
    more = ["--title", "Two <b>", "--overwrite"]
    assert run("report", "zbl.linpot", "test.xyz", "-o", "page.html", *more).exit_code == 0
    assert "<h1>Two &lt;b&gt;</h1>" in (workplace / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fit", "train.xyz", "--figures", "here"], "give --report PAGE.html as well"),
        (["fit", "train.xyz", "--report", "no/page.html"], "there is no folder"),
        (["fit", "train.xyz", "--report", "train.xyz"], "exists"),
        (["fit", "train.xyz", "--report", "a", "--json", "a"], "must not be the file of"),
        (
            ["fit", "train.xyz", "--report", "page.html", "--figures", "test.xyz"],
            "must be a folder, got the file",
        ),
        (["report", "zbl.linpot"], "must name at least one file"),
        (["report", "zbl.linpot", "none.xyz"], "none.xyz"),
        (["report", "test.xyz", "test.xyz"], "test.xyz"),
        (["report", "zbl.linpot", "test.xyz", "-o", "no/page.html"], "there is no folder"),
    ],
)
def test_wrong_input_is_one_clear_error_and_leaves_nothing(workplace, arguments, message):
    before = sorted(workplace.iterdir())
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert message in errors[0]
    assert sorted(workplace.iterdir()) == before
