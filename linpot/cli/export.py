"""`linpot export` and `linpot convert`: potentials to LAMMPS and back."""

from __future__ import annotations

from itertools import combinations_with_replacement

import click

from linpot.baselines.zbl import ZBL
from linpot.cli.console import pass_terminal
from linpot.cli.options import PATH, check_outputs, overwrite_option, verbosity_options
from linpot.cli.parsing import Value, parse_number, parse_range, parse_symbols
from linpot.cli.tables import in_bytes
from linpot.errors import InputError
from linpot.io.potential_file import load_potential, save_potential
from linpot.lammps.files import LammpsFiles, read_lammps, write_lammps
from linpot.lammps.pace_potential import PacePotential
from linpot.lammps.radial_expansion import TOLERANCE
from linpot.mlip.files import is_mtp_file, read_mtp
from linpot.model.linear_potential import LinearPotential
from linpot.model.protocol import EnergyModel


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
@click.argument("source", type=PATH, metavar="FILE")
@click.argument("destination", type=PATH, metavar="[OUTPUT.linpot]", required=False)
@click.option("-o", "--output", type=PATH, help="OUTPUT.linpot, if not given without -o.")
@click.option(
    "--elements",
    type=Value("A,B,...", parse_symbols),
    help="Elements of the atom types 0, 1, ... of a .mtp file, which does not name them.",
)
@click.option(
    "--zbl",
    type=Value("INNER,OUTER", parse_range),
    help="Add the ZBL repulsion that stands in the input of LAMMPS, with its two cutoffs in A.",
)
@overwrite_option
@verbosity_options
def convert(
    source: str,
    destination: str | None,
    output: str | None,
    elements: tuple[str, ...] | None,
    zbl: tuple[float, float] | None,
    overwrite: bool,
) -> None:
    """
    Turn FILE, a potential of LAMMPS or MLIP, into one for linpot.

    Any potential of `pair_style pace` can be read (.yace, and the older form .ace), without what
    stands in the input of LAMMPS next to it; those that linpot wrote become what they were. So can
    .snapcoeff files of `pair_style snap` (with .snapparam next to it), and .mtp files of MLIP-2.
    """
    terminal = pass_terminal()
    if (destination is None) == (output is None):
        raise InputError("`OUTPUT.linpot` must be given once, as second file or by -o")
    output = str(destination or output)
    check_outputs({"OUTPUT": output}, [source], overwrite=overwrite)
    potential: LinearPotential | PacePotential
    if is_mtp_file(source):
        if elements is None:
            raise InputError(
                f"'{source}' does not name the elements of its atom types; give them by --elements"
            )
        potential = read_mtp(source, elements)
    elif elements is not None:
        raise InputError(f"`--elements` is for .mtp files; '{source}' names its elements")
    else:
        potential = read_lammps(source)
    whole: EnergyModel = potential
    if zbl is not None:
        pairs = list(combinations_with_replacement(potential.elements, 2))
        inner, outer = (dict.fromkeys(pairs, value) for value in zbl)
        whole = potential + ZBL(potential.elements, inner, outer)
    save_potential(whole, output, overwrite=overwrite)
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
