"""A basis as plain values and arrays, for files of the models that stand on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from linpot.basis.basis import Basis
from linpot.basis.families import specification_from
from linpot.basis.program import Program


def basis_state(basis: Basis) -> tuple[dict[str, Any], dict[str, NDArray]]:
    """Return header and arrays of a basis; equal programs are stored once."""
    distinct: list[Program] = []
    which = []
    for program in basis.programs:
        if not any(program is known for known in distinct):
            distinct.append(program)
        which.append(next(k for k, known in enumerate(distinct) if known is program))
    arrays: dict[str, NDArray] = {"radial_parameters": basis.radial_parameters}
    for name in ("radial_recurrence", "radial_table"):
        if (array := getattr(basis, name)) is not None:
            arrays[name] = array
    for k, program in enumerate(distinct):
        arrays.update({f"program{k}/{name}": a for name, a in program.arrays().items()})
    header = {
        "family": basis.specification.family,
        "specification": basis.specification.as_dict(),
        "programs": which,
    }
    return header, arrays


def basis_from_state(header: Mapping[str, Any], arrays: Mapping[str, NDArray]) -> Basis:
    """
    Rebuild a basis; the programs are taken as stored, not generated again.

    Raises
    ------
    FileFormatError
        If the arrays do not belong together.
    """
    specification = specification_from(str(header.get("family", "ace")), header["specification"])
    which = [int(k) for k in header["programs"]]
    programs = {}
    for k in set(which):
        prefix = f"program{k}/"
        programs[k] = Program.from_arrays(
            {n[len(prefix) :]: a for n, a in arrays.items() if n.startswith(prefix)}
        )
    basis = Basis(
        specification,
        tuple(programs[k] for k in which),
        arrays["radial_parameters"],
        arrays.get("radial_recurrence"),
        arrays.get("radial_table"),
    )
    basis.validate()
    return basis
