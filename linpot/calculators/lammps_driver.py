"""
LAMMPS dynamics with forces of any linpot model: ``fix external``, inside one process.

LAMMPS calls Python at every step and adds what it is told; it needs no package beyond its core.
What Python raises there would be printed and forgotten by `ctypes`: it is kept here, LAMMPS is
asked to stop, and the command that ran it raises.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from numpy.typing import NDArray

from linpot import checks
from linpot.calculators.ase_calculator import LinpotCalculator
from linpot.errors import InputError
from linpot.structures.neighbors import complete_cell

Floats = NDArray[np.float64]
_LAMMPS_ORDER = [0, 1, 2, 5, 4, 3]  # of xx yy zz yz xz xy: LAMMPS has xx yy zz xy xz yz
_RUNNERS = ("command", "commands_list", "commands_string", "file")


class LammpsDriver:
    """
    Gives a running LAMMPS the energy, forces and virial of a calculator.

    The fix holds the energy (also of atoms, for ``compute pe/atom``) and the virial (also of atoms,
    for ``compute stress/atom``), so that thermo output, barostats and minimizers see them. Pair
    styles of LAMMPS add to it; `pair_style none` leaves it alone.

    Whatever the model or an attached function raises stops the run at that step, and
    ``lammps.command`` (and `commands_list`, `commands_string`, `file`, `cmd`) raises it.

    Parameters
    ----------
    lammps : lammps.lammps
        In ``units metal``, with a box, on one process.
    calculator : LinpotCalculator
        Or an `UncertainCalculator`, for extrapolation grades.
    elements : sequence of str
        Chemical symbol of each atom type.
    fix_id : str

    Attributes
    ----------
    atoms : ase.Atoms
        The atoms of the last step, ordered by their ID in LAMMPS, with the calculator. Positions
        are continuous: not wrapped back where LAMMPS does so, counted from the corner of the box.

    Raises
    ------
    InputError
        If LAMMPS runs on several processes, in other units or in two dimensions, has no box yet, or
        `elements` does not fit its atom types.

    Examples
    --------
    ::

        lmp = lammps.lammps()
        lmp.file("in.system")  # units metal, box, atoms, pair_style none, fix nve
        calculator = linpot.UncertainCalculator(linpot.load("my.linpot"))
        driver = linpot.LammpsDriver(lmp, calculator, ["Si"])
        driver.attach(linpot.ExtrapolationWatch(driver.atoms), interval=10)
        lmp.command("run 1000")
    """

    def __init__(
        self,
        lammps: Any,
        calculator: LinpotCalculator,
        elements: Sequence[str],
        *,
        fix_id: str = "linpot",
    ) -> None:
        _check_setting(lammps)
        self.lammps = lammps
        self.calculator = calculator
        self.fix_id = fix_id
        self.atoms = Atoms()
        self.atoms.calc = calculator
        self._numbers = _numbers_of_types(elements, calculator, lammps)
        self._watchers: list[tuple[Callable[[], Any], int]] = []
        self._last_step = -1
        self._tags = np.empty(0, dtype=np.int64)
        self._failure: BaseException | None = None
        lammps.command(f"fix {fix_id} all external pf/callback 1 1")
        lammps.command(f"fix_modify {fix_id} energy yes virial yes")
        for name in _RUNNERS:  # on this instance only
            setattr(lammps, name, self._raising(getattr(lammps, name)))
        lammps.set_fix_external_callback(fix_id, self._answer, lammps)

    def attach(self, function: Callable[[], Any], interval: int = 1) -> None:
        """
        Call a function at steps that are a multiple of `interval`, after the forces are known.

        Parameters
        ----------
        function : callable
            Such as an `ExtrapolationWatch` of `atoms`. What it raises stops the run.
        interval : int
        """
        self._watchers.append((function, checks.integer("interval", interval, low=1)))

    def _answer(
        self, caller: Any, step: int, n_atoms: int, tags: Any, positions: Any, forces: Any
    ) -> None:
        """Be called by LAMMPS: read the atoms, write the forces."""
        try:
            if self._failure is not None:  # a later command of the same list
                self._stop(n_atoms, forces)
                return
            order = np.argsort(tags[:n_atoms])
            self._read_atoms(order, tags[:n_atoms], positions[:n_atoms])
            forces[:n_atoms][order] = self.atoms.get_forces()
            self._write_sums(order)
        except BaseException as error:  # also a pressed Ctrl-C
            self._failure = error
            self._stop(n_atoms, forces)
            return
        try:
            self._call_watchers(step)
        except BaseException as error:
            self._failure = error  # the forces are good: the state can be kept
            self.lammps.force_timeout()

    def _stop(self, n_atoms: int, forces: Any) -> None:
        """Ask LAMMPS to stop before the next step, with forces that nobody can take for good."""
        forces[:n_atoms] = np.nan
        self.lammps.fix_external_set_energy_global(self.fix_id, float("nan"))
        self.lammps.force_timeout()

    def _read_atoms(self, order: NDArray, tags: NDArray, positions: Floats) -> None:
        low, high, xy, yz, xz, periodic, _ = self.lammps.extract_box()
        pbc = np.array(periodic, dtype=bool)
        a, b, c = np.array(high) - np.array(low)
        cell = np.array([[a, 0.0, 0.0], [xy, b, 0.0], [xz, yz, c]])
        cell[~pbc] = 0.0  # they may shrink and grow around the atoms
        types = self.lammps.numpy.extract_atom("type", nelem=len(order))
        numbers = self._numbers[types[order]]
        positions = positions[order] - np.where(pbc, low, 0.0)
        tags = tags[order]
        if tags[0] < 1:
            raise InputError("atoms in LAMMPS must have IDs, got `atom_modify id no`")
        if not np.array_equal(tags, self._tags):
            self._tags = tags.copy()
            del self.atoms[:]
            self.atoms.extend(Atoms(numbers, positions))
        else:
            known = self.atoms
            # an atom that LAMMPS wrapped goes back to the image where it was
            jumps = np.round(
                _fractions(positions, cell, pbc)
                - _fractions(known.positions, known.cell.array, pbc)
            )
            jumps[:, ~pbc] = 0.0
            known.positions[:] = positions - jumps @ cell
            known.numbers[:] = numbers
        self.atoms.cell[:] = cell
        self.atoms.pbc = pbc

    def _write_sums(self, order: NDArray) -> None:
        """Hand over energies and virials; those of atoms are NaN where the model has none."""
        prediction = self.calculator.prediction
        assert prediction is not None
        assert prediction.virial is not None
        lmp, fix, n = self.lammps, self.fix_id, len(order)
        virial = prediction.virial
        xx, yy, zz, xy, xz, yz = virial[[0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]].tolist()
        lmp.fix_external_set_energy_global(fix, prediction.energy)
        lmp.fix_external_set_virial_global(fix, [xx, yy, zz, xy, xz, yz])
        energies, virials = np.full(n, np.nan), np.full((n, 6), np.nan)
        if prediction.atomic_energies is not None:
            energies[order] = prediction.atomic_energies
        if prediction.atomic_virials is not None:
            virials[order] = prediction.atomic_virials[:, _LAMMPS_ORDER]
        # the methods of the Python module copy number by number
        pointer = ctypes.POINTER(ctypes.c_double)
        lmp.lib.lammps_fix_external_set_energy_peratom(
            lmp.lmp, fix.encode(), energies.ctypes.data_as(pointer)
        )
        rows = virials.ctypes.data + virials.strides[0] * np.arange(n, dtype=np.uintp)
        lmp.lib.lammps_fix_external_set_virial_peratom(
            lmp.lmp, fix.encode(), rows.ctypes.data_as(ctypes.POINTER(pointer))
        )

    def _call_watchers(self, step: int) -> None:
        if step == self._last_step:  # the first evaluation of a run repeats the last of another
            return
        self._last_step = step
        for function, interval in self._watchers:
            if step % interval == 0:
                function()

    def _raising(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return a method of LAMMPS that raises what was raised while it ran."""

        @wraps(call)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            complaint: BaseException | None = None
            result = None
            try:
                result = call(*args, **kwargs)
            except Exception as error:
                complaint = error
            failure, self._failure = self._failure, None
            if failure is not None:
                self.lammps.command("timer timeout off")  # or no run would start again
                raise failure from complaint
            if complaint is not None:
                raise complaint
            return result

        return wrapped


def _fractions(positions: Floats, cell: Floats, pbc: NDArray[np.bool_]) -> Floats:
    """Return positions in multiples of the lattice vectors, unit vectors where there is none."""
    along = complete_cell(cell, (bool(pbc[0]), bool(pbc[1]), bool(pbc[2])))
    fractions: Floats = np.linalg.solve(along.T, positions.T).T.astype(np.float64, copy=False)
    return fractions


def _check_setting(lammps: Any) -> None:
    processes = lammps.extract_setting("world_size")
    if processes > 1:
        raise InputError(
            f"LAMMPS must run on one process, got {processes}; on several, export the potential "
            "(`linpot.write_lammps`) and use `pair_style pace`"
        )
    units = lammps.extract_global("units")
    if units != "metal":
        raise InputError(f"LAMMPS must run in `units metal`, got {units!r}")
    if lammps.extract_setting("dimension") != 3:
        raise InputError("LAMMPS must run in three dimensions, got `dimension 2`")
    if not lammps.extract_setting("box_exist"):
        raise InputError("LAMMPS must have a box and atoms before it gets forces; read them first")


def _numbers_of_types(
    elements: Sequence[str], calculator: LinpotCalculator, lammps: Any
) -> NDArray[np.int64]:
    """Return the atomic number of every atom type; types count from 1."""
    n_types = lammps.extract_setting("ntypes")
    if isinstance(elements, str) or len(elements) != n_types:
        raise InputError(
            f"`elements` must be a list of one chemical symbol per atom type ({n_types}), "
            f"got {elements!r}"
        )
    known = calculator.model.elements
    for symbol in elements:
        if symbol not in known:
            raise InputError(
                f"element {symbol!r} is not in this potential (elements: {', '.join(known)})"
            )
    return np.array([0, *(atomic_numbers[symbol] for symbol in elements)], dtype=np.int64)
