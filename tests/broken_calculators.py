"""A pair potential that obeys every law, and copies of it with one planted fault each."""

from __future__ import annotations

import time
from typing import ClassVar

import numpy as np
from ase.calculators.calculator import Calculator, all_changes
from ase.neighborlist import primitive_neighbor_list

CUTOFF = 4.5
DEPTHS = {"Cu": 0.35, "Ni": 0.45}


class SmoothMorse(Calculator):
    """Morse pairs times (1 - (r/c)^2)^4: three continuous derivatives at the cutoff."""

    implemented_properties: ClassVar[list[str]] = ["energy", "forces", "stress"]
    power = 4

    def pair(self, r, depth):
        """Energy and derivative of pairs."""
        morse = np.exp(-1.4 * (r - 2.4))
        e, de = depth * (morse**2 - 2 * morse), depth * 2.8 * (morse - morse**2)
        s = 1 - (r / CUTOFF) ** 2
        f, df = s**self.power, -2 * self.power * r / CUTOFF**2 * s ** (self.power - 1)
        return e * f, de * f + e * df

    def calculate(self, atoms=None, properties=("energy",), system_changes=tuple(all_changes)):
        super().calculate(atoms, properties, system_changes)
        unknown = set(self.atoms.symbols) - set(DEPTHS)
        if unknown:
            raise ValueError(f"no parameters for {sorted(unknown)}")
        self.results = self.answer(self.atoms)

    def answer(self, atoms):
        i, j, vectors = primitive_neighbor_list(
            "ijD", atoms.pbc, atoms.cell.complete(), atoms.positions, CUTOFF
        )
        r = np.linalg.norm(vectors, axis=1)
        depths = np.array([DEPTHS.get(s, 0.4) for s in atoms.symbols])
        e, de = self.pair(r, np.sqrt(depths[i] * depths[j]))
        gradients = (de / np.maximum(r, 1e-9))[:, None] * vectors
        forces = np.zeros((len(atoms), 3))
        np.add.at(forces, i, gradients)
        results = {"energy": 0.5 * e.sum(), "forces": forces}
        if atoms.pbc.all():
            full = 0.5 * vectors.T @ gradients / atoms.get_volume()
            results["stress"] = full[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
        return results


class WrongForceSign(SmoothMorse):
    def answer(self, atoms):
        results = super().answer(atoms)
        return {**results, "forces": -results["forces"]}


class WrongForceOfOneAtom(SmoothMorse):
    def answer(self, atoms):
        results = super().answer(atoms)
        results["forces"][-1, 1] *= 1.01
        return results


class WrongStress(SmoothMorse):
    """In the order of LAMMPS."""

    def answer(self, atoms):
        results = super().answer(atoms)
        if "stress" in results:
            results["stress"] = results["stress"][[0, 1, 2, 5, 4, 3]]
        return results


class CutWithoutSmoothing(SmoothMorse):
    power = 0


class KinkedForce(SmoothMorse):
    """Once differentiable at the cutoff: forces are continuous, force constants are not."""

    power = 2


class KinkedEnergy(SmoothMorse):
    power = 1


class StepInside(SmoothMorse):
    """A tiny step of the energy, far from the cutoff."""

    def pair(self, r, depth):
        e, de = super().pair(r, depth)
        return e + 2e-5 * (r < 3.1234), de


class NotExtensive(SmoothMorse):
    def answer(self, atoms):
        results = super().answer(atoms)
        return {**results, "energy": results["energy"] + 1e-3 * len(atoms) ** 2}


class OrderDependent(SmoothMorse):
    """The first atom is special."""

    def answer(self, atoms):
        results = super().answer(atoms)
        return {**results, "energy": results["energy"] + 0.1 * results["energy"] * (
            atoms.symbols[0] == "Cu"
        )}  # fmt: skip


class DependsOnOrigin(SmoothMorse):
    def answer(self, atoms):
        results = super().answer(atoms)
        results["energy"] += 1e-3 * atoms.positions[:, 0].sum()
        results["forces"][:, 0] -= 1e-3
        return results


class DependsOnDirection(SmoothMorse):
    """Bonds along z count more."""

    def answer(self, atoms):
        results = super().answer(atoms)
        return {**results, "energy": results["energy"] + 1e-3 * np.ptp(atoms.positions[:, 2])}


class Chiral(SmoothMorse):
    """Left and right hands differ: a triple product of the first distances."""

    def answer(self, atoms):
        results = super().answer(atoms)
        if len(atoms) > 3:
            a, b, c = atoms.get_distances(0, [1, 2, 3], mic=bool(atoms.pbc.any()), vector=True)
            results["energy"] += 1e-3 * np.sign(np.dot(np.cross(a, b), c))
        return results


class ForgetsImages(SmoothMorse):
    """Takes atoms where they lie: no periodic images."""

    def answer(self, atoms):
        free = atoms.copy()
        free.pbc = False
        results = super().answer(free)
        if atoms.pbc.all():
            results["stress"] = np.zeros(6)
        return results


class CountsCalls(SmoothMorse):
    """State leaks from call to call."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def answer(self, atoms):
        self.calls += 1
        results = super().answer(atoms)
        return {**results, "energy": results["energy"] * (1 + 1e-4 * self.calls)}


class KeepsAList(SmoothMorse):
    """A list of neighbors that is never made again while the number of atoms stays."""

    def __init__(self):
        super().__init__()
        self.first = None

    def answer(self, atoms):
        if self.first is None or len(self.first) != len(atoms):
            self.first = atoms.copy()
        mixed = atoms.copy()
        mixed.positions = 0.999 * atoms.positions + 0.001 * self.first.positions
        return super().answer(mixed)


class Remembers(SmoothMorse):
    """Keeps every answer."""

    def __init__(self):
        super().__init__()
        self.kept = []

    def answer(self, atoms):
        self.kept.append(np.zeros(1000))
        return super().answer(atoms)


class Noisy(SmoothMorse):
    """The last bits differ from calculator to calculator."""

    made = 0

    def __init__(self):
        super().__init__()
        Noisy.made += 1
        self.offset = 1e-14 * Noisy.made

    def answer(self, atoms):
        results = super().answer(atoms)
        return {**results, "energy": results["energy"] * (1.0 + self.offset)}


class SharesScratch(SmoothMorse):
    """Calculators share one array while they work."""

    scratch = np.zeros(3)

    def answer(self, atoms):
        results = super().answer(atoms)
        SharesScratch.scratch[:] = atoms.positions.sum(axis=0)
        time.sleep(0.002)  # another thread has its turn
        return {**results, "energy": results["energy"] + 1e-3 * (
            SharesScratch.scratch != atoms.positions.sum(axis=0)
        ).sum()}  # fmt: skip


class KnowsEverything(SmoothMorse):
    """Takes any element for something."""

    def calculate(self, atoms=None, properties=("energy",), system_changes=tuple(all_changes)):
        Calculator.calculate(self, atoms, properties, system_changes)
        self.results = self.answer(self.atoms)


class KnowsLess(SmoothMorse):
    """Refuses an element that is claimed."""

    def answer(self, atoms):
        if set(atoms.symbols) == {"Ni"}:
            raise ValueError("pure Ni is not implemented")
        return super().answer(atoms)


class MovesAtoms(SmoothMorse):
    """Wraps the atoms of the user."""

    def calculate(self, atoms=None, properties=("energy",), system_changes=tuple(all_changes)):
        super().calculate(atoms, properties, system_changes)
        atoms.positions += 1e-3


class ReturnsNaN(SmoothMorse):
    def answer(self, atoms):
        results = super().answer(atoms)
        if len(atoms) == 3:
            results["energy"] = np.nan
        return results
