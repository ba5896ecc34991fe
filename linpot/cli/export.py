"""`linpot export` and `linpot convert`: potentials to LAMMPS and back."""

from __future__ import annotations

import click

from linpot.cli.console import pass_terminal
from linpot.cli.options import PATH, check_outputs, overwrite_option, verbosity_options
from linpot.cli.parsing import Value, parse_number
from linpot.cli.tables import in_bytes
from linpot.io.potential_file import load_potential, save_potential
from linpot.lammps.files import LammpsFiles, read_lammps, write_lammps
from linpot.lammps.pace_potential import PacePotential
from linpot.lammps.radial_expansion import TOLERANCE


@click.command()
@click.argument("model", type=PATH, metavar="MODEL")
@click.argument("output", type=PATH, metavar="OUTPUT.yace")
@click.option(
    "--tables",
    is_flag=True,
    help="Write ZBL as a table too: exact, where LAMMPS' own differs by 3e-8 of its energy.",
)
@click.option(
    "--tolerance",
    type=Value("E", parse_number),
    default=TOLERANCE,
    show_default=True,
    help="Relative error of radial functions; 1e-8 saves LAMMPS time (docs/lammps.md).",
)
@overwrite_option
@verbosity_options
def export(model: str, output: str, tables: bool, tolerance: float, overwrite: bool) -> None:
    """
    Write MODEL for LAMMPS, with an input script next to it.

    The file is for `pair_style pace` and is exact. It is read back and compared with MODEL on
    random structures; the differences are printed.
    """
    terminal = pass_terminal()
    check_outputs({"OUTPUT": output}, [model], overwrite=overwrite)
    files = write_lammps(
        load_potential(model), output, tables=tables, tolerance=tolerance, overwrite=overwrite
    )
    terminal.show("In LAMMPS:\n" + "\n".join(f"  {line}" for line in files.lines))
    terminal.show(_check_lines(files))
    others = [str(files.script), *([str(files.table)] if files.table else [])]
    terminal.say(f"Saved {files.potential} ({in_bytes(files.n_bytes)}), {', '.join(others)}.")


@click.command()
@click.argument("source", type=PATH, metavar="FILE.yace")
@click.argument("output", type=PATH, metavar="OUTPUT.linpot")
@overwrite_option
@verbosity_options
def convert(source: str, output: str, overwrite: bool) -> None:
    """
    Turn FILE.yace, a potential for LAMMPS, into one for linpot.

    Any potential of `pair_style pace` can be read, also in the older form `.ace`, without what
    stands in the input of LAMMPS next to it. Those that linpot wrote become what they were.
    """
    terminal = pass_terminal()
    check_outputs({"OUTPUT": output}, [source], overwrite=overwrite)
    potential = read_lammps(source)
    save_potential(potential, output, overwrite=overwrite)
    counts = ", ".join(f"{n} functions on {s}" for s, n in potential.n_functions.items())
    how = "; radial functions from tables" if isinstance(potential, PacePotential) else ""
    terminal.say(f"Saved {output}: {counts}{how}.")


def _check_lines(files: LammpsFiles) -> str:
    check = files.check
    return (
        f"Read back and compared on {check.n_structures} random structures, largest differences\n"
        f"  as LAMMPS evaluates it: {check.energy_error:.1e} eV per atom, "
        f"{check.forces_error:.1e} eV/A (largest force {check.largest_force:.3g} eV/A)\n"
        f"  read by linpot:         {check.restored_energy_error:.1e} eV per atom, "
        f"{check.restored_forces_error:.1e} eV/A\n"
        f"  radial functions:       {files.radial_error:.1e} of their largest value"
    )
