"""What a document of LAMMPS becomes in linpot."""

from __future__ import annotations

from linpot.lammps.document import YaceDocument
from linpot.lammps.pace_potential import PacePotential
from linpot.lammps.restore import OtherProgramError, restore_potential
from linpot.model.linear_potential import LinearPotential


def potential_of(document: YaceDocument) -> LinearPotential | PacePotential:
    """
    Return a linear potential where a document holds one of linpot's kind, else one with tables.

    Raises
    ------
    FileFormatError
        If linpot's engine cannot run it.
    """
    try:
        return restore_potential(document)
    except OtherProgramError:
        return PacePotential(document)
