"""`linpot info`: what a potential or a data file holds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from rich.console import RenderableType

from linpot.baselines.zbl import ZBL
from linpot.charges.local_charges import LocalCharges
from linpot.cli.console import Terminal, pass_terminal
from linpot.cli.options import (
    PATH,
    check_outputs,
    json_option,
    key_options,
    overwrite_option,
    reading,
    verbosity_options,
)
from linpot.cli.tables import (
    basis_table,
    data_table,
    e0_table,
    error_tables,
    in_bytes,
    label_lines,
    make_table,
    radial_table,
    titled,
)
from linpot.io.datasets import read_dataset
from linpot.io.json_file import write_json
from linpot.io.potential_file import is_potential_file, load_potential
from linpot.lammps.pace_potential import PacePotential
from linpot.model.linear_potential import LinearPotential
from linpot.model.protocol import EnergyModel
from linpot.model.sum import ModelSum

_CONTINUITY = {
    1: "Energies are C1 at the cutoff: once continuously differentiable, so that forces do not "
    "jump, but their slope does.",
    2: "Energies are C2 at the cutoff: twice continuously differentiable, so that forces have a "
    "continuous slope.",
}


@click.command()
@click.argument("file", type=PATH, metavar="FILE")
@json_option("what is shown")
@overwrite_option
@key_options
@verbosity_options
def info(file: str, **options: Any) -> None:
    """Show what FILE holds, a potential or labelled structures."""
    terminal = pass_terminal()
    metrics, overwrite = options["json"], options["overwrite"]
    check_outputs({"--json": metrics}, [file], overwrite=overwrite)
    if is_potential_file(file):
        potential = load_potential(file)
        if metrics is not None:
            write_json(metrics, _described(potential), overwrite=overwrite)
        _show_potential(terminal, file, potential)
        return
    data = read_dataset(file, **reading(options))
    summary = data.summary()
    if metrics is not None:
        write_json(metrics, summary.as_dict(), overwrite=overwrite)
    terminal.show(data_table(f"Data {file}", summary), label_lines(summary))


def _described(potential: EnergyModel) -> dict[str, Any]:
    """Return what a potential is as plain values."""
    parts = potential.parts if isinstance(potential, ModelSum) else (potential,)
    learned = [part for part in parts if isinstance(part, LinearPotential)]
    return {
        "elements": list(potential.elements),
        "cutoff": potential.cutoff,
        "parts": [part.kind for part in parts],
        "n_functions": learned[0].n_functions if learned else None,
        "e0": dict(learned[0].isolated_atom_energies) if learned else None,
        "provenance": dict(learned[0].provenance) if learned else None,
    }


def _show_potential(terminal: Terminal, file: str, potential: EnergyModel) -> None:
    parts = potential.parts if isinstance(potential, ModelSum) else (potential,)
    terminal.show(
        f"Potential {file} ({in_bytes(Path(file).stat().st_size)})\n"
        f"  elements: {' '.join(potential.elements)}\n"
        f"  cutoff:   {potential.cutoff:.2f} A\n"
        f"  parts:    {' + '.join(part.kind for part in parts)}"
    )
    for part in parts:
        if isinstance(part, LinearPotential):
            _show_learned(terminal, part)
        elif isinstance(part, ZBL):
            terminal.show(_zbl_table(part))
        elif isinstance(part, PacePotential):
            terminal.show(_pace_table(part))
        elif isinstance(part, LocalCharges):
            terminal.show(_charges_table(part))
        else:
            told = ", ".join(f"{name} {value}" for name, value in _flat(part.to_state()[0]).items())
            terminal.show(f"Baseline {part.kind}: {told}")
    terminal.show(_CONTINUITY[potential.continuity])
    for part in parts:
        if isinstance(part, LinearPotential) and part.provenance:
            _show_provenance(terminal, part.provenance)


def _show_learned(terminal: Terminal, part: LinearPotential) -> None:
    origin = part.provenance
    terminal.show(basis_table(part.basis))
    terminal.show(radial_table(part.basis, origin.get("shortest_distances")))
    terminal.show(e0_table(part.isolated_atom_energies, origin.get("e0_sources", {})))


def _pace_table(part: PacePotential) -> RenderableType:
    table = make_table(["element", "functions", "densities", "largest rank", "E0 (eV)"])
    document = part.document
    for i, symbol in enumerate(part.elements):
        functions = document.functions[i]
        table.add_row(
            symbol,
            str(len(functions)),
            str(document.embeddings[i].n_densities),
            str(max((function.rank for function in functions), default=0)),
            f"{document.isolated_atom_energies[i]:.6g}",
        )
    return titled("Potential of LAMMPS pair_style pace, radial functions from tables", table)


def _charges_table(part: LocalCharges) -> RenderableType:
    table = make_table(["element", "functions", "alone (e)", "share", "width (A)"])
    functions = part.function.basis.n_functions
    for symbol, charge in part.isolated_charges.items():
        numbers = (charge, part.shares[symbol], part.widths[symbol])
        table.add_row(symbol, str(functions[symbol]), *(f"{value:.4g}" for value in numbers))
    return titled("Charges of the environment", table)


def _zbl_table(part: ZBL) -> RenderableType:
    table = make_table(["pair", "ends (A)"])
    for i, a in enumerate(part.symbols):
        for j, b in enumerate(part.symbols[i:], start=i):
            table.add_row(f"{a}-{b}", f"{part.cutoffs[i, j]:.2f}")
    return titled("Baseline zbl, screened nuclear repulsion", table)


def _show_provenance(terminal: Terminal, origin: Any) -> None:
    data = _in_order(origin.get("data", {}))
    if data:
        table = make_table(["data", "structures", "atoms", "sha256", "groups"], left=(0, 3, 4))
        for name, what in data.items():
            groups = ", ".join(f"{group} {n}" for group, n in what["groups"].items())
            numbers = (str(what["n_structures"]), str(what["n_atoms"]))
            table.add_row(name, *numbers, what["sha256"][:12], groups)
        terminal.show(titled("Made from", table))
    errors = _in_order(origin.get("errors", {}))
    if errors:
        terminal.show(*error_tables(errors, terminal.width))
    for name in ("settings", "solver", "versions"):
        entries = _flat(origin.get(name, {}))
        if entries:
            terminal.say(f"{name}: {', '.join(f'{k} {v}' for k, v in entries.items())}")
    for note in origin.get("notes", []):
        terminal.say(f"note: {note}")


def _in_order(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what there is of training and test, in this order; files sort their keys."""
    return {name: values[name] for name in ("train", "test") if values.get(name)}


def _flat(values: Any, prefix: str = "") -> dict[str, str]:
    """Nested plain values as one level of short texts; what is not set is left out."""
    flat: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat.update(_flat(value, f"{prefix}{key}."))
        elif isinstance(value, float):
            flat[f"{prefix}{key}"] = f"{value:.4g}"
        elif value is not None:
            flat[f"{prefix}{key}"] = str(value)
    return flat
