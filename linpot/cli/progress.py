"""Progress of the stages of a command."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import TracebackType

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from linpot.cli.console import Terminal, make_console
from linpot.kernels.compile import kernels_are_compiled
from linpot.workflow.plan import FitPlan

_COMPILING = "compiling kernels (first run only)..."


class ProgressBars:
    """
    Bars on standard error, one per stage; the `Monitor` of a fit.

    They vanish at the end; nothing but the notice of a compilation is shown where standard error
    is not a terminal. To be used in a `with` block.

    Parameters
    ----------
    terminal : Terminal
    on_plan : callable, optional
        Shows the plan of a fit.
    """

    def __init__(
        self, terminal: Terminal, on_plan: Callable[[FitPlan], None] | None = None
    ) -> None:
        self._terminal = terminal
        self._on_plan = on_plan
        self._compiled = kernels_are_compiled()
        self._name, self._task = "", TaskID(0)
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=make_console(stderr=True),
            transient=True,
            disable=terminal.verbosity < 0 or not sys.stderr.isatty(),
        )

    def __enter__(self) -> ProgressBars:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def planned(self, plan: FitPlan) -> None:
        """Show the plan of a fit."""
        if self._on_plan is not None:
            self._on_plan(plan)

    def stage(self, name: str, total: int) -> None:
        """Begin a bar, without an end if 0; the first stage may have to wait for the compiler."""
        self._bars.start()
        self._name = name
        if not self._compiled and self._bars.disable and self._terminal.verbosity >= 0:
            self._terminal.notice(_COMPILING)
        self._task = self._bars.add_task(
            name if self._compiled else _COMPILING, total=total or None
        )

    def advance(self, done: int) -> None:
        """Move the bar to the number of steps done."""
        self._compiled = True
        self._bars.update(self._task, completed=done, description=self._name)
