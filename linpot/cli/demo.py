"""`linpot demo`: a whole fit on silicon data that come with the package."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import click
from ase.build import bulk
from scipy.optimize import minimize_scalar

from linpot.cli.console import Terminal, pass_terminal
from linpot.cli.fit import fit_metrics, read_and_show, show_plan, show_result
from linpot.cli.options import (
    PATH,
    check_outputs,
    overwrite_option,
    threads_option,
    verbosity_options,
)
from linpot.cli.progress import ProgressBars
from linpot.errors import InputError
from linpot.io.json_file import write_json
from linpot.io.potential_file import save_potential
from linpot.io.shipped_data import shipped_silicon
from linpot.model.protocol import EnergyModel
from linpot.structures.dataset import Dataset
from linpot.structures.structure import structure_from_atoms
from linpot.workflow.dynamics import DynamicsRun, run_dynamics
from linpot.workflow.fit import FitResult, run_fit
from linpot.workflow.settings import FitSettings

_N_FUNCTIONS = 100
_N_STEPS = 1000
_TEMPERATURE = 600.0  # K, of which half goes into the potential energy
_POTENTIAL, _ERRORS, _FIGURE = "silicon.linpot", "errors.json", "silicon.png"


@click.command()
@click.option(
    "-o",
    "--output",
    type=PATH,
    default="demo",
    show_default=True,
    metavar="FOLDER",
    help="Where the results are saved.",
)
@overwrite_option
@threads_option
@verbosity_options
def demo(output: str, overwrite: bool, threads: int) -> None:
    """Fit silicon, draw the errors, and run a little dynamics."""
    terminal = pass_terminal()
    folder = Path(output)
    _check_folder(folder, overwrite=overwrite)
    train_path, test_path = shipped_silicon()
    train = read_and_show(terminal, "Training data", [str(train_path)])
    test = read_and_show(terminal, "Test data", [str(test_path)])
    settings = FitSettings(n_functions=_N_FUNCTIONS, threads=threads)
    with ProgressBars(terminal, lambda plan: show_plan(terminal, plan)) as bars:
        result = run_fit(train, test=test, settings=settings, monitor=bars)
    fitted = terminal.elapsed
    folder.mkdir(exist_ok=True)
    saved = [folder / _POTENTIAL, folder / _ERRORS]
    save_potential(result.potential, saved[0], overwrite=overwrite)
    write_json(saved[1], fit_metrics(result), overwrite=overwrite)
    saved += _figure(terminal, result, train, test, folder, overwrite=overwrite, threads=threads)
    show_result(terminal, result)
    run = _dynamics(terminal, result.potential, threads)
    terminal.say(f"Saved {', '.join(map(str, saved))}.")
    terminal.say(
        f"Read and fitted in {fitted:.1f} s, all done in {terminal.elapsed:.1f} s; "
        f"{len(run.times) - 1} steps of dynamics included."
    )
    terminal.say(f"Next: linpot info {saved[0]}")


def _check_folder(folder: Path, *, overwrite: bool) -> None:
    if folder.is_dir():
        names = (_POTENTIAL, _ERRORS, _FIGURE)
        check_outputs({name: str(folder / name) for name in names}, [], overwrite=overwrite)
    elif folder.exists():
        raise InputError(f"--output must be a folder, got the file '{folder}'")
    else:
        check_outputs({"--output": str(folder)}, [])


def _dynamics(terminal: Terminal, potential: EnergyModel, threads: int) -> DynamicsRun:
    constant = _lattice_constant(potential, threads)
    atoms = bulk("Si", "diamond", constant, cubic=True).repeat(2)
    with ProgressBars(terminal) as bars:
        bars.stage("dynamics", _N_STEPS)
        run = run_dynamics(
            potential,
            atoms,
            temperature=_TEMPERATURE,
            n_steps=_N_STEPS,
            threads=threads,
            progress=bars.advance,
        )
    terminal.show(
        f"Diamond silicon with a = {constant:.3f} A, {run.n_atoms} atoms:\n"
        f"  {run.times[-1] / 1e3:.1f} ps at constant energy: {run.mean_temperature:.0f} K, "
        f"the energy drifts by {1e3 * run.drift:.1g} meV/atom/ps"
    )
    return run


def _lattice_constant(potential: EnergyModel, threads: int) -> float:
    """Lattice constant of lowest energy, A."""

    def energy(constant: float) -> float:
        structure = structure_from_atoms(bulk("Si", "diamond", constant))
        return potential.predict(structure, forces=False, threads=threads).energy

    return float(minimize_scalar(energy, bounds=(5.2, 5.7), method="bounded").x)


def _figure(
    terminal: Terminal,
    result: FitResult,
    train: Dataset,
    test: Dataset,
    folder: Path,
    *,
    overwrite: bool,
    threads: int,
) -> list[Path]:
    if find_spec("matplotlib") is None:
        terminal.say("note: no figure without matplotlib; pip install 'linpot[plot]'")
        return []
    from linpot.report.comparison import compare
    from linpot.report.figures import draw_fit, save_figure

    comparisons = [
        compare(result.potential, data, name, threads=threads)
        for name, data in (("train", train), ("test", test))
    ]
    save_figure(draw_fit(comparisons, result.walls.dimers), folder / _FIGURE, overwrite=overwrite)
    return [folder / _FIGURE]
