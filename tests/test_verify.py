"""A sound calculator passes, planted faults are found by the checks that name them."""

from __future__ import annotations

import json
from dataclasses import dataclass

import broken_calculators as broken
import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from click.testing import CliRunner

import linpot
from linpot.basis.families import build_basis
from linpot.basis.radial import RadialParameters
from linpot.basis.snap import Snap
from linpot.cli.main import linpot as command
from linpot.validation import smoothness_checks
from linpot.validation.findings import Check, Findings
from linpot.validation.verification import LAWS

ELEMENTS = ["Cu", "Ni"]
FAULTS = [
    (broken.WrongForceSign, "forces"),
    (broken.WrongForceOfOneAtom, "forces"),
    (broken.WrongStress, "stress"),
    (broken.CutWithoutSmoothing, "smoothness"),
    (broken.KinkedEnergy, "smoothness"),
    (broken.KinkedForce, "smoothness"),
    (broken.StepInside, "smoothness"),
    (broken.NotExtensive, "supercells"),
    (broken.NotExtensive, "far copies"),
    (broken.OrderDependent, "permutation"),
    (broken.DependsOnOrigin, "translation"),
    (broken.DependsOnDirection, "rotation"),
    (broken.Chiral, "reflection"),
    (broken.ForgetsImages, "images"),
    (broken.ForgetsImages, "supercells"),
    (broken.CountsCalls, "reproducibility"),
    (broken.KeepsAList, "reproducibility"),
    (broken.Noisy, "reproducibility"),
    (broken.SharesScratch, "threads"),
    (broken.Remembers, "memory"),
    (broken.KnowsEverything, "species"),
    (broken.KnowsLess, "species"),
    (broken.ReturnsNaN, "smoothness"),
]


def verified(calculator, *only: str) -> linpot.Verification:
    # scans of one element take a fraction of the time
    elements = ["Cu"] if "smoothness" in only else ELEMENTS
    return linpot.verify(calculator, elements=elements, cutoff=broken.CUTOFF, only=only)


def test_a_sound_calculator_passes_every_check():
    found = verified(broken.SmoothMorse)
    assert found.passed, [line for check in found.checks for line in check.failures]
    assert [check.name for check in found.checks] == [law.name for law in LAWS]
    assert all(check.status == "passed" for check in found.checks)


@pytest.mark.parametrize(("calculator", "name"), FAULTS)
def test_a_planted_fault_is_found(calculator, name):
    found = verified(calculator, name)
    assert found.failed == [name]
    assert found[name].failures


@pytest.mark.parametrize(("kind", "power"), [("C0", 5), ("C1", 4), ("C2", 4)])
def test_differences_are_the_jump_and_vanish_with_the_spacing(kind, power):
    """Of E = cos 3r / 3 with a jump of 1e-3 of energy, force or force constant at r = 2.003."""
    jump, largest = 1e-3, []
    for h in (0.04, 0.02):
        r = np.arange(0.0, 4.0, h)
        energies, forces = np.cos(3.0 * r) / 3.0, np.sin(3.0 * r)
        largest.append(smoothness_checks._differences(kind, r, energies, forces).max())
        beyond = r > 2.003
        energies = energies + jump * beyond * (kind == "C0")
        forces = forces + jump * beyond * ((kind == "C1") + (r - 2.003) * (kind == "C2"))
        found = smoothness_checks._differences(kind, r, energies, forces)
        k = int(found.argmax())
        # a kink between two points is shared by the differences around it
        assert found[k] == pytest.approx(jump, abs=largest[-1] + 0.5 * jump * (kind == "C2"))
        assert abs(smoothness_checks._middle(kind, r, k) - 2.003) <= h
    assert largest[0] / largest[1] == pytest.approx(2.0**power, rel=0.05)  # next power of h


def test_a_jump_is_found_where_it_is():
    [line, *_] = verified(broken.StepInside, "smoothness")["smoothness"].failures
    assert "energy jumps by 2e-05 eV" in line
    assert "at 3.1234 A" in line


def test_a_kink_of_the_force_is_no_jump_of_the_energy():
    lines = verified(broken.KinkedForce, "smoothness")["smoothness"].failures
    assert all("force constant jumps" in line for line in lines)
    assert any("at 4.5000 A" in line for line in lines)


@dataclass
class Kink:
    """A force that is zero up to 2.003 A, then rises by a power of the distance from there."""

    size: float
    power: int
    noise: float = 0.0
    first: float = 1.0

    def scan(self, calculator, r):
        noise = self.noise * np.random.default_rng(0).normal(size=len(r))
        return np.zeros(len(r)), self.size * np.maximum(r - 2.003, 0.0) ** self.power + noise


def test_a_jump_of_the_third_derivative_is_none_of_the_force_constant():
    # 1e5 eV/A^3: a switch of 10 eV within 0.2 A; differences see 0.01 eV/A^2 of it at 1e-7 A
    size, _ = smoothness_checks._zoom("C2", Kink(1e5, 2), None, 2.0)
    assert size < 0.5 * smoothness_checks.TOLERANCES["C2"][0]
    size, place = smoothness_checks._zoom("C2", Kink(0.05, 1), None, 2.0)
    assert 0.5 * 0.05 < size < 2.0 * 0.05
    assert place == pytest.approx(2.003, abs=1e-5)


def test_rounding_is_no_jump_of_the_force_constant():
    # of forces good to 1e-9 eV/A: differences at the finest spacing are 0.03 eV/A^2 everywhere
    size, _ = smoothness_checks._zoom("C2", Kink(1e4, 2, noise=1e-9), None, 2.0)
    assert size < smoothness_checks.TOLERANCES["C2"][0]
    size, _ = smoothness_checks._zoom("C2", Kink(0.5, 1, noise=1e-9), None, 2.0)
    assert 0.25 < size < 1.0


def test_smoothness_is_judged_by_what_is_claimed():
    """The cosine switch of SNAP ends with a jump of the force constant, and says so."""
    basis = build_basis(Snap(twojmax=2).specify(("Cu",), {("Cu", "Cu"): RadialParameters(4.5)}))
    coefficients = np.random.default_rng(0).normal(size=basis.n_features)
    potential = linpot.LinearPotential(basis, coefficients, {"Cu": -3.0})
    found = linpot.verify(potential, only=["smoothness"])
    assert found.passed, found["smoothness"].failures
    assert "claimed to be C1" in found["smoothness"].findings.notes[0]
    more = verified(lambda: linpot.LinpotCalculator(potential), "smoothness")
    assert any("force constant jumps" in line for line in more["smoothness"].failures)
    assert not any(
        "jumps by" in line for line in more["smoothness"].failures[1:] if "constant" not in line
    )


def test_a_wrong_force_is_found_at_its_atom():
    lines = verified(broken.WrongForceOfOneAtom, "forces")["forces"].failures
    assert any("atom 7 along y" in line for line in lines)
    assert not any("along x" in line or "along z" in line for line in lines if "atom" in line)


def test_an_exception_fails_the_check_and_is_told():
    class Refuses(broken.SmoothMorse):
        def answer(self, atoms):
            if len(atoms) == 16:
                raise RuntimeError("too many atoms")
            return super().answer(atoms)

    found = verified(Refuses, "supercells")
    assert "RuntimeError: too many atoms" in found["supercells"].failures[0]


def test_one_calculator_cannot_be_asked_twice_at_a_time():
    found = verified(broken.SmoothMorse(), "threads")
    assert found["threads"].status == "left out"
    assert found.passed


def test_an_interaction_that_falls_off_is_no_fault():
    salt = linpot.Coulomb({"Na": 1.0, "Cl": -1.0})
    found = linpot.verify(salt, only=["far copies", "images", "supercells", "periodicity"])
    assert found.passed, [line for check in found.checks for line in check.failures]
    assert "long-ranged" in found["far copies"].findings.notes[0]


def test_own_structures_are_checked():
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.05, seed=1)
    found = linpot.verify(EMT, structures=[atoms], only=["forces"])
    where = [d.where for d in found["forces"].findings.deviations]
    assert any(w.startswith("Cu4 TTT") for w in where)
    assert found.elements == ("Cu",)


def test_slack_widens_tolerances():
    assert not verified(broken.StepInside, "smoothness").passed
    loose = linpot.verify(
        broken.StepInside, elements=["Cu"], cutoff=broken.CUTOFF, only=["smoothness"], slack=1e6
    )
    assert loose.passed


def test_not_a_number_is_no_small_deviation():
    findings = Findings()
    findings.add("energy", float("nan"), 1e-6, "eV", "somewhere")
    findings.add("energy", 0.0, 1e-6, "eV", "elsewhere")
    check = Check("name", "law", "reason", findings)
    assert check.status == "failed"
    assert findings.worst.where == "somewhere"
    json.dumps(check.to_dict(), allow_nan=False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "`elements` must name what the calculator knows"),
        ({"elements": ["Xx"]}, "`elements` must be chemical symbols, got 'Xx'"),
        ({"elements": ["Cu"], "only": ["beauty"]}, "`only` must be one of"),
        ({"elements": ["Cu"], "slack": -1.0}, "`slack` must be a positive"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(linpot.InputError, match=message):
        linpot.verify(EMT, **arguments)


def test_what_makes_no_calculator_is_refused():
    with pytest.raises(linpot.InputError, match="must return an ASE calculator, got dict"):
        linpot.verify(dict, elements=["Cu"])
    with pytest.raises(linpot.InputError, match=r"must be a file or 'package\.module:Name'"):
        linpot.verify("ase.calculators.emt:TME", elements=["Cu"])


def test_command_passes_a_sound_calculator(tmp_path):
    arguments = ["broken_calculators:SmoothMorse", "--elements", "Cu,Ni", "--cutoff", "4.5"]
    path = tmp_path / "found.json"
    run = CliRunner().invoke(
        command, ["verify", *arguments, "--only", "forces,images", "--json", str(path)]
    )
    assert run.exit_code == 0, run.output
    assert "All checks passed." in run.output
    assert json.loads(path.read_text())["passed"] is True


def test_command_fails_a_broken_calculator_visibly():
    arguments = ["broken_calculators:WrongForceSign", "--elements", "Cu,Ni", "--only", "forces"]
    run = CliRunner().invoke(command, ["verify", *arguments])
    assert run.exit_code == 1
    assert "1 of 1 checks failed." in run.output
    assert "-dE/dr" in run.output


def test_command_tells_wrong_input():
    run = CliRunner().invoke(command, ["verify", "no_such.linpot"], standalone_mode=False)
    assert isinstance(run.exception, linpot.InputError)
