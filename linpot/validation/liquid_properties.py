"""The liquid: its radial distribution function."""

from __future__ import annotations

import warnings

import numpy as np
from ase import units
from ase.md.langevin import Langevin
from ase.neighborlist import neighbor_list

from linpot.validation.crystals import defect_cell
from linpot.validation.quantities import Case, Curve, Measured, NotMeasuredError

MELTED_AT, HELD_AT = 2.5, 1.2  # melting temperatures
TIMESTEP = 2.0  # fs
MELT_STEPS, COOL_STEPS, SAMPLE_STEPS = 400, 300, 500
EVERY = 10  # steps between samples
REACH, BIN = 6.0, 0.05  # A
LOST = 0.4  # of the distance of neighbors at the start: closer pairs have fallen into a hole


def liquid(case: Case) -> Measured:
    """Radial distribution of the liquid at the volume of the crystal: melted, cooled, sampled."""
    if case.melting is None:
        raise NotMeasuredError("the melting temperature is unknown; give it (--melting)")
    atoms = defect_cell(case.ground, case.length)
    closest = float(neighbor_list("d", atoms, 6.0).min())
    atoms.calc = case.calculator
    rng = np.random.default_rng(case.seed)
    spread = np.sqrt(2.0 * units.kB * MELTED_AT * case.melting / atoms.get_masses())[:, None]
    atoms.set_velocities(spread * rng.standard_normal((len(atoms), 3)))
    histogram, samples = np.zeros(int(REACH / BIN)), 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of ASE, about the center of mass
        dynamics = Langevin(
            atoms,
            TIMESTEP * units.fs,
            temperature_K=MELTED_AT * case.melting,
            friction=0.02 / units.fs,
            rng=rng,
        )
        dynamics.run(MELT_STEPS)
        dynamics.set_temperature(temperature_K=HELD_AT * case.melting)
        dynamics.run(COOL_STEPS)
        for _ in range(SAMPLE_STEPS // EVERY):
            dynamics.run(EVERY)
            distances = neighbor_list("d", atoms, REACH)
            if distances.min() < LOST * closest:
                raise NotMeasuredError(f"two atoms came as close as {distances.min():.2f} A")
            histogram += np.histogram(distances, len(histogram), (0.0, REACH))[0]
            samples += 1
    edges = np.linspace(0.0, REACH, len(histogram) + 1)
    shells = 4.0 / 3.0 * np.pi * np.diff(edges**3)
    uniform = samples * len(atoms) ** 2 / atoms.get_volume() * shells
    g = histogram / uniform
    r = 0.5 * (edges[1:] + edges[:-1])
    found = Measured()
    found.add("liquid first peak", r[g.argmax()], "A")
    found.add("liquid height of first peak", g.max(), "")
    held = HELD_AT * case.melting
    found.notes.append(f"{len(atoms)} atoms at {held:.0f} K and the volume of the crystal")
    found.curves.append(
        Curve(f"liquid at {held:.0f} K", "distance (A)", "g(r)", r.tolist(), [g.tolist()])
    )
    return found
