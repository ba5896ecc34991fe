"""One potential in a plane of errors and cost."""

from __future__ import annotations

from typing import NamedTuple


class Point(NamedTuple):
    """
    One potential of one set.

    Attributes
    ----------
    method : str
        Potentials of one method make one line in the figure.
    label : str
    energy : float
        Test MAE, meV/atom.
    forces : float
        Test MAE, eV/A.
    us : float or None
        Per atom and step on one core.
    snap : float or None
        SNAP of silicon in LAMMPS in the same run, us per atom and step.
    made : str
        Time and memory of the fit.
    """

    method: str
    label: str
    energy: float
    forces: float
    us: float | None = None
    snap: float | None = None
    made: str = ""

    @property
    def cost(self) -> float | None:
        """Time of a step in units of SNAP of silicon."""
        return None if self.us is None or not self.snap else self.us / self.snap


def three_digits(value: float) -> str:
    """Return a number with thousands apart, or with three digits."""
    return f"{value:,.0f}" if value >= 100.0 else f"{value:.3g}"
