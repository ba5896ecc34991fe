"""`linpot predict`: energies, forces and stresses of structures."""

from __future__ import annotations

from pathlib import Path

import click
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from linpot.cli.console import pass_terminal
from linpot.cli.options import (
    PATH,
    check_outputs,
    overwrite_option,
    threads_option,
    verbosity_options,
)
from linpot.cli.progress import ProgressBars
from linpot.io.datasets import format_by_name, read_structures, write_structures
from linpot.io.potential_file import load_potential
from linpot.model.protocol import EnergyModel
from linpot.structures.structure import Structure, structure_from_atoms


@click.command()
@click.argument("model", type=PATH, metavar="MODEL")
@click.argument("structures", type=PATH, metavar="STRUCTURES")
@click.option("-o", "--output", type=PATH, required=True, help="Where they are written (.extxyz).")
@overwrite_option
@threads_option
@verbosity_options
def predict(model: str, structures: str, output: str, overwrite: bool, threads: int) -> None:
    """
    Write STRUCTURES with the energy, forces and stress that MODEL predicts.

    The stress is written for structures that are periodic in all three directions. The ending of
    the output tells its format; extended XYZ keeps everything.
    """
    terminal = pass_terminal()
    check_outputs({"--output": output}, [model, structures], overwrite=overwrite)
    kind = format_by_name(output) if Path(output).suffix else "extxyz"
    potential = load_potential(model)
    images = read_structures(structures)
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
            bars.advance(done)
    write_structures(output, predicted, overwrite=overwrite, format=kind)
    count = f"{len(predicted)} structure{'s' if len(predicted) > 1 else ''}"
    terminal.say(f"Saved {output}: {count} with energy, forces and stress where defined.")


def _with_prediction(
    potential: EnergyModel, atoms: Atoms, structure: Structure, threads: int
) -> Atoms:
    prediction = potential.predict(structure, threads=threads)
    results = {"energy": prediction.energy, "forces": prediction.forces}
    if structure.is_bulk:
        results["stress"] = prediction.stress(structure)
    labelled = atoms.copy()
    labelled.calc = SinglePointCalculator(labelled, **results)
    return labelled
