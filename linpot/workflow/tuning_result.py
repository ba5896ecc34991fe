"""What tuning found, and what it tried."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from linpot.structures.dataset import Dataset
from linpot.workflow.fit import FitResult, Monitor, run_fit
from linpot.workflow.settings import FitSettings
from linpot.workflow.trials import FOLDS, Trial, describe_errors

CRITERIA = ("cross-validation", "evidence")
"""By what trials are compared."""


@dataclass(frozen=True)
class TuningResult:
    """
    What tuning found.

    Attributes
    ----------
    settings : FitSettings
        The best.
    trials : tuple of Trial
        Everything that was tried, in order; the first is the start.
    ended : {"finished", "time", "interrupted"}
    seconds : float
    train : Dataset
    criterion : {"cross-validation", "evidence"}
    """

    settings: FitSettings
    trials: tuple[Trial, ...]
    ended: str
    seconds: float
    train: Dataset
    criterion: str = CRITERIA[0]

    @property
    def start(self) -> Trial:
        """The trial of the settings at the start."""
        return self.trials[0]

    @property
    def best(self) -> Trial:
        """The trial of the best settings."""
        return [t for t in self.trials if t.accepted][-1]

    @property
    def why(self) -> str:
        """One line: why the best was chosen."""
        assert self.start.errors is not None
        assert self.best.errors is not None
        found = describe_errors(self.best.errors)
        at = f"{FOLDS} folds of consecutive structures left out in turn"
        if self.best is self.start:
            return f"nothing was better than the start: {found} ({at})"
        before = describe_errors(self.start.errors)
        if self.criterion == "evidence":
            gain = self.best.log_evidence - self.start.log_evidence
            return f"the logarithm of the evidence rose by {gain:.0f}; {found}, not {before} ({at})"
        return f"{found} instead of {before}, score {self.best.score:.3f} ({at})"

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for provenance: how it was searched, and every trial."""
        return {
            "criterion": self.criterion,
            "folds": FOLDS,
            "ended": self.ended,
            "trials": [trial.as_dict() for trial in self.trials],
        }

    def fit(self, *, test: Dataset | None = None, monitor: Monitor | None = None) -> FitResult:
        """Fit with the best settings to all training data; provenance lists the trials."""
        origin = {"tuning": self.as_dict()}
        settings = self.settings
        return run_fit(self.train, test=test, settings=settings, monitor=monitor, origin=origin)
