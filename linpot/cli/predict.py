"""`linpot predict`: energies, forces and stresses of structures."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from numpy.typing import NDArray
from rich.console import RenderableType

from linpot.cli.console import pass_terminal
from linpot.cli.options import (
    PATH,
    check_outputs,
    elements_option,
    overwrite_option,
    threads_option,
    verbosity_options,
)
from linpot.cli.progress import ProgressBars
from linpot.cli.tables import make_table, titled
from linpot.io.datasets import read_structures
from linpot.io.potential_file import load_potential
from linpot.io.structure_writing import format_by_name, write_structures
from linpot.model.protocol import EnergyModel
from linpot.model.sum import learned_part
from linpot.structures.structure import Structure, structure_from_atoms
from linpot.uncertainty.extrapolation import ActiveSet

_SHOWN = 20  # rows of the table of grades; the file has all


@click.command()
@click.argument("model", type=PATH, metavar="MODEL")
@click.argument("structures", type=PATH, metavar="STRUCTURES")
@click.option("-o", "--output", type=PATH, required=True, help="Where they are written (.extxyz).")
@click.option(
    "--grades",
    is_flag=True,
    help="Also write and show extrapolation grades; MODEL needs an active set.",
)
@elements_option
@overwrite_option
@threads_option
@verbosity_options
def predict(
    model: str,
    structures: str,
    output: str,
    grades: bool,
    elements: tuple[str, ...] | None,
    overwrite: bool,
    threads: int,
) -> None:
    """
    Write STRUCTURES with the energy, forces and stress that MODEL predicts.

    The stress is written for structures that are periodic in all three directions, charges and the
    dipoles of molecules where MODEL has charges. The ending of
    the output tells its format; extended XYZ keeps everything. A grade above 1 says that an atom
    lies outside of the training data (docs/uncertainty.md).
    """
    terminal = pass_terminal()
    check_outputs({"--output": output}, [model, structures], overwrite=overwrite)
    kind = format_by_name(output) if Path(output).suffix else "extxyz"
    potential = load_potential(model)
    learned = learned_part(potential) if grades else None
    active = ActiveSet.of(learned) if learned is not None else None
    images = read_structures(structures, elements=elements)
    # All are checked before the first is predicted.
    named = [
        structure_from_atoms(atoms, name=f"structure {index} of {structures}")
        for index, atoms in enumerate(images)
    ]
    for structure in named:
        potential.species_of(structure)
    predicted = []
    with ProgressBars(terminal) as bars:
        bars.stage("predictions", len(images))
        for done, (atoms, structure) in enumerate(zip(images, named, strict=True), start=1):
            predicted.append(_with_prediction(potential, atoms, structure, threads))
            if learned is not None and active is not None:
                found = active.grades(learned.engine, structure, threads=threads)
                predicted[-1].arrays["extrapolation_grade"] = found
            bars.advance(done)
    write_structures(output, predicted, overwrite=overwrite, format=kind)
    if grades:
        terminal.show(_grade_table([a.arrays["extrapolation_grade"] for a in predicted]))
    count = f"{len(predicted)} structure{'s' if len(predicted) > 1 else ''}"
    terminal.say(f"Saved {output}: {count} with energy, forces and stress where defined.")


def _grade_table(grades: list[NDArray[np.float64]]) -> RenderableType:
    """Return how far structures lie outside, the worst first."""
    limits = (1.02, 5.0, 25.0)  # training data have 1.01 at most, 5 and 25 are for dynamics
    largest = np.array([own.max() for own in grades])
    table = make_table(["structure", "largest grade", "atom", "atoms above 1.02"], left=())
    for k in np.argsort(-largest, kind="stable")[:_SHOWN].tolist():
        own = grades[k]
        cells = (str(k), f"{largest[k]:.4g}", str(own.argmax()), str((own > limits[0]).sum()))
        table.add_row(*cells)
    above = ", ".join(f"{(largest > limit).sum()} above {limit:g}" for limit in limits)
    shown = f", the worst {_SHOWN}" if len(grades) > _SHOWN else ""
    return titled(f"Extrapolation grades of {len(grades)} structures: {above}{shown}", table)


def _with_prediction(
    potential: EnergyModel, atoms: Atoms, structure: Structure, threads: int
) -> Atoms:
    prediction = potential.predict(structure, threads=threads)
    results = {"energy": prediction.energy, "forces": prediction.forces}
    if structure.is_bulk:
        results["stress"] = prediction.stress(structure)
    for name in ("charges", "dipole"):
        if name in prediction.extras:
            results[name] = prediction.extras[name]
    labelled = atoms.copy()
    labelled.calc = SinglePointCalculator(labelled, **results)
    return labelled
