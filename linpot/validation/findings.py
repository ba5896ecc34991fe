"""What a check has measured, and against what."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

PASSED, FAILED, LEFT_OUT = "passed", "failed", "left out"


@dataclass(frozen=True)
class Deviation:
    """
    How far a calculator is from a law.

    Attributes
    ----------
    what : str
        "energy", "forces" ...
    value : float
        Not negative; 0 is the law.
    tolerance : float
    unit : str
    where : str
        Structure and transform, atom or distance.
    """

    what: str
    value: float
    tolerance: float
    unit: str
    where: str

    @property
    def is_within(self) -> bool:
        """Whether it is tolerable; NaN is not."""
        return self.value <= self.tolerance

    @property
    def ratio(self) -> float:
        """Value over tolerance; where a tolerance is 0, all that differs is infinitely far."""
        if self.tolerance > 0.0:
            return self.value / self.tolerance
        return 0.0 if self.value == 0.0 else float("inf")

    def __str__(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        return f"{self.what} {self.value:.2g}{unit} (at most {self.tolerance:.2g}), {self.where}"


@dataclass
class Findings:
    """
    All deviations of one check, and what else it has to say.

    Attributes
    ----------
    deviations : list of Deviation
    faults : list of str
        That no number measures: an exception, a claim that is not kept.
    notes : list of str
        That are no faults.
    left_out : str
        Why nothing could be checked; empty if something was.
    """

    deviations: list[Deviation] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    left_out: str = ""

    def add(self, what: str, value: float, tolerance: float, unit: str, where: str) -> None:
        """Add one deviation."""
        self.deviations.append(Deviation(what, float(value), tolerance, unit, where))

    @property
    def worst(self) -> Deviation | None:
        """Largest deviation in units of its tolerance."""
        # NaN compares false with everything: it must come first, not get lost
        return max(
            self.deviations,
            key=lambda d: float("inf") if d.value != d.value else d.ratio,
            default=None,
        )


@dataclass(frozen=True)
class Check:
    """
    The outcome of one check.

    Attributes
    ----------
    name : str
    law : str
        What must hold, one sentence.
    reason : str
        Why the tolerances are what they are.
    findings : Findings
    """

    name: str
    law: str
    reason: str
    findings: Findings

    @property
    def status(self) -> str:
        """`PASSED`, `FAILED` or `LEFT_OUT`."""
        if self.findings.faults or not all(d.is_within for d in self.findings.deviations):
            return FAILED
        return LEFT_OUT if self.findings.left_out else PASSED

    @property
    def failures(self) -> list[str]:
        """What was found where, the worst first."""
        beyond = [d for d in self.findings.deviations if not d.is_within]
        return [*self.findings.faults, *map(str, sorted(beyond, key=lambda d: -d.ratio))]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, finite numbers only."""
        worst = self.findings.worst
        return {
            "name": self.name,
            "law": self.law,
            "tolerance_reason": self.reason,
            "status": self.status,
            "worst": None if worst is None else _plain(worst),
            "n_measured": len(self.findings.deviations),
            "failures": self.failures,
            "notes": self.findings.notes,
            "left_out": self.findings.left_out,
        }


@dataclass(frozen=True)
class Verification:
    """
    All checks of a calculator.

    Attributes
    ----------
    name : str
        Of the calculator.
    elements : tuple of str
    checks : list of Check
    """

    name: str
    elements: tuple[str, ...]
    checks: list[Check]

    @property
    def passed(self) -> bool:
        """Whether no check failed."""
        return all(check.status != FAILED for check in self.checks)

    @property
    def failed(self) -> list[str]:
        """Names of the checks that failed."""
        return [check.name for check in self.checks if check.status == FAILED]

    def __getitem__(self, name: str) -> Check:
        """Return a check by its name."""
        return next(check for check in self.checks if check.name == name)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {
            "name": self.name,
            "elements": list(self.elements),
            "passed": self.passed,
            "checks": [check.to_dict() for check in self.checks],
        }


def _plain(deviation: Deviation) -> dict[str, Any]:
    finite = abs(deviation.value) < float("inf")
    return {
        "what": deviation.what,
        "value": deviation.value if finite else None,
        "tolerance": deviation.tolerance,
        "unit": deviation.unit,
        "where": deviation.where,
    }
