"""C6 coefficients and radii of free atoms, from the tables that ASE ships."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations_with_replacement

from ase.calculators.vdwcorrection import vdWDB_alphaC6, vdWDB_Grimme06jcc
from ase.units import Bohr, Hartree

from linpot.errors import InputError

_ATOMIC_UNIT = Hartree * Bohr**6  # of C6, eV A^6


def free_atom_c6(elements: Sequence[str]) -> dict[tuple[str, str], float]:
    """
    Return C6 of all pairs of free atoms, eV A^6.

    Of one element: Chu and Dalgarno, J. Chem. Phys. 121, 4083 (2004), with Ag, Au, Pd, Pt of Ruiz
    et al., Phys. Rev. Lett. 108, 146103 (2012); both as ASE has them. Of two: Tkatchenko and
    Scheffler, Phys. Rev. Lett. 102, 073005 (2009), eq. 7, with the polarizabilities of the same
    tables: ``2 C_aa C_bb / (p_b/p_a C_aa + p_a/p_b C_bb)``.

    Raises
    ------
    InputError
        For an element that the tables do not have.
    """
    for symbol in elements:
        if symbol not in vdWDB_alphaC6:
            raise InputError(
                f"the table of free-atom C6 has no {symbol!r} "
                f"(elements: {', '.join(vdWDB_alphaC6)}); give `c6`"
            )
    pairs = {}
    for a, b in combinations_with_replacement(elements, 2):
        (alpha_a, c_a), (alpha_b, c_b) = vdWDB_alphaC6[a], vdWDB_alphaC6[b]
        mixed = 2.0 * c_a * c_b / (alpha_b / alpha_a * c_a + alpha_a / alpha_b * c_b)
        pairs[a, b] = mixed * _ATOMIC_UNIT
    return pairs


def free_atom_radii(elements: Sequence[str]) -> dict[tuple[str, str], float]:
    """
    Return sums of van der Waals radii of all pairs, A.

    Grimme, J. Comput. Chem. 27, 1787 (2006), table 1, as ASE has it.

    Raises
    ------
    InputError
        For an element that the table does not have.
    """
    for symbol in elements:
        if symbol not in vdWDB_Grimme06jcc:
            raise InputError(
                f"the table of van der Waals radii has no {symbol!r}; give `damping_radii`"
            )
    radii = {symbol: vdWDB_Grimme06jcc[symbol][1] for symbol in elements}
    return {(a, b): radii[a] + radii[b] for a, b in combinations_with_replacement(elements, 2)}
