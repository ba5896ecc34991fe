"""A basis as plain values and arrays, for files of the models that stand on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from linpot.basis.ace import Basis
from linpot.basis.program import Program
from linpot.basis.radial import RadialParameters
from linpot.basis.specification import BasisSpecification
from linpot.checks import finite_array
from linpot.errors import FileFormatError


def basis_state(basis: Basis) -> tuple[dict[str, Any], dict[str, NDArray]]:
    """Return header and arrays of a basis; equal programs are stored once."""
    distinct: list[Program] = []
    which = []
    for program in basis.programs:
        if not any(program is known for known in distinct):
            distinct.append(program)
        which.append(next(k for k, known in enumerate(distinct) if known is program))
    arrays: dict[str, NDArray] = {
        "radial_parameters": basis.radial_parameters,
        "radial_recurrence": basis.radial_recurrence,
    }
    for k, program in enumerate(distinct):
        arrays.update({f"program{k}/{name}": a for name, a in program.arrays().items()})
    return {"specification": basis.specification.as_dict(), "programs": which}, arrays


def basis_from_state(header: Mapping[str, Any], arrays: Mapping[str, NDArray]) -> Basis:
    """
    Rebuild a basis; the programs are taken as stored, not generated again.

    Raises
    ------
    FileFormatError
        If the arrays do not belong together.
    """
    specification = BasisSpecification.from_dict(header["specification"])
    which = [int(k) for k in header["programs"]]
    programs = {}
    for k in set(which):
        prefix = f"program{k}/"
        programs[k] = Program.from_arrays(
            {n[len(prefix) :]: a for n, a in arrays.items() if n.startswith(prefix)}
        )
    n_species = len(specification.elements)
    n_radial = max(p.n_radial for p in programs.values())
    parameters = finite_array(
        "radial_parameters", arrays["radial_parameters"], [n_species, n_species, 4]
    )
    recurrence = finite_array(
        "radial_recurrence", arrays["radial_recurrence"], [n_species, n_species, None, 3]
    )
    for row in parameters.reshape(-1, 4):
        RadialParameters(*row)  # refuses what kernels cannot run
    consistent = (
        len(which) == n_species
        and recurrence.shape[2] >= n_radial
        and all(p.channel_weights.shape[0] == n_species for p in programs.values())
        and bool((parameters[:, :, 0] > 0.0).all() and (parameters[:, :, 0] < 1e3).all())
    )
    if not consistent:
        raise FileFormatError("the arrays of the potential do not belong together")
    return Basis(specification, tuple(programs[k] for k in which), parameters, recurrence)
