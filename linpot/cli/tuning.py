"""Tuning on the command line: what is shown of it, and what of the command it keeps fixed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click
from click.core import ParameterSource
from rich.console import RenderableType

from linpot.cli.console import Terminal
from linpot.cli.progress import ProgressBars
from linpot.cli.tables import in_bytes, in_time, make_table, titled
from linpot.structures.dataset import Dataset
from linpot.workflow.plan import FitPlan
from linpot.workflow.settings import FitSettings
from linpot.workflow.trials import Trial, describe_errors, tuning_memory
from linpot.workflow.tuning import run_tuning
from linpot.workflow.tuning_result import CRITERIA, TuningResult

_HELD = ("cutoff", "body_order", "weights", "choose_from", "candidates")
"""Options that are settings which tuning would change."""

_ENDED = {
    "finished": "Nothing better was left to try",
    "time": "The time was over",
    "interrupted": "Interrupted",
}


def given_settings() -> list[str]:
    """Return the settings that the user gave, on the command line or in its file."""
    context = click.get_current_context()
    return [
        name
        for name in _HELD
        if context.get_parameter_source(name) not in (None, ParameterSource.DEFAULT)
    ]


def tune_and_show(
    terminal: Terminal,
    train: Dataset,
    settings: FitSettings,
    on_plan: Callable[[FitPlan], None],
    *,
    minutes: float,
    us_per_atom: float | None = None,
    criterion: str = CRITERIA[0],
) -> TuningResult:
    """
    Search for settings; show what it will take, and at the end all trials and why one was chosen.

    Parameters
    ----------
    terminal : Terminal
    train : Dataset
    settings : FitSettings
        The start.
    on_plan : callable
        Shows the plan of the fit with the settings at the start.
    minutes : float
    us_per_atom : float, optional, us
    criterion : str
        See `run_tuning`.

    Returns
    -------
    TuningResult
    """

    def planned(plan: FitPlan) -> None:
        on_plan(plan)
        memory = in_bytes(tuning_memory(plan))
        terminal.say(
            f"Tuning: at most {in_time(60.0 * minutes)} and about {memory} of memory; "
            "Ctrl-C ends it early and keeps the best.\n"
        )

    def show(trial: Trial) -> None:
        if terminal.verbosity > 0:
            terminal.notice(_line(trial))

    with ProgressBars(terminal, planned) as bars:
        result = run_tuning(
            train,
            settings=settings,
            minutes=minutes,
            us_per_atom=us_per_atom,
            hold=given_settings(),
            criterion=criterion,
            monitor=bars,
            on_trial=show,
        )
    terminal.show(trials_table(result))
    terminal.say(f"{_ENDED[result.ended]} after {len(result.trials)} trials: {result.why}.\n")
    return result


def trials_table(result: TuningResult) -> RenderableType:
    """Return every trial, a row each."""
    table = make_table(["what", "functions", "energy (meV/atom)", "forces (eV/A)", "score", "kept"])
    for trial in result.trials:
        errors: Mapping[str, Any] = trial.errors or {}
        energy = f"{1e3 * errors['energy']['mae']:.3g}" if "energy" in errors else "-"
        forces = f"{errors['forces']['mae']:.3g}" if "forces" in errors else "-"
        score = f"{trial.score:.4f}" if trial.errors else "refused"
        kept = "yes" if trial.accepted else ""
        table.add_row(trial.change, str(trial.n_functions or "-"), energy, forces, score, kept)
    return titled("Tuning: mean absolute errors on training structures left out in blocks", table)


def _line(trial: Trial) -> str:
    if trial.errors is None:
        return f"{trial.change}: refused, {trial.refused}"
    found = describe_errors(trial.errors)
    return f"{trial.change}: {found}, score {trial.score:.4f}{', kept' * trial.accepted}"
