"""What a check of data says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

CERTAIN, LIKELY, NOTE = "certain", "likely", "note"
"""How sure a finding is; notes are worth knowing and no faults."""


@dataclass(frozen=True)
class Finding:
    """
    Something about the data that the user should know.

    Attributes
    ----------
    kind : str
        One word for programs: "stress-order", "force-sign", "duplicates", ...
    group : str
        Group of structures, with the file in front where several files have it; "" for all data.
    what : str
        What was found, in one sentence.
    sure : {"certain", "likely", "note"}
    remedy : str
        What to do.
    command : str
        A command that does it; "" if there is none.
    structures : tuple of int
        Places in the file, from 0; the first of many.
    evidence : mapping of str to number
        Figures behind the finding.
    """

    kind: str
    group: str
    what: str
    sure: str
    remedy: str = ""
    command: str = ""
    structures: tuple[int, ...] = ()
    evidence: Mapping[str, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "kind": self.kind,
            "group": self.group,
            "what": self.what,
            "sure": self.sure,
            "remedy": self.remedy,
            "command": self.command,
            "structures": list(self.structures),
            "evidence": {name: float(f"{value:.6g}") for name, value in self.evidence.items()},
        }


@dataclass(frozen=True)
class CheckResult:
    """
    What a check of data says.

    Attributes
    ----------
    files : tuple of str
    n_structures, n_atoms : int
        Read, those refused not counted.
    n_compared : int
        Structures whose labels were compared with the quick fit.
    findings : tuple of Finding
        What is certain or likely, the surest first.
    notes : tuple of Finding
    undecided : tuple of str
        Groups whose stress could not be judged by this data.
    """

    files: tuple[str, ...]
    n_structures: int
    n_atoms: int
    n_compared: int
    findings: tuple[Finding, ...]
    notes: tuple[Finding, ...]
    undecided: tuple[str, ...]

    @property
    def is_clean(self) -> bool:
        """Whether nothing was found; notes do not count."""
        return not self.findings

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "files": list(self.files),
            "n_structures": self.n_structures,
            "n_atoms": self.n_atoms,
            "n_compared": self.n_compared,
            "findings": [finding.as_dict() for finding in self.findings],
            "notes": [note.as_dict() for note in self.notes],
            "stress_undecided": list(self.undecided),
        }
