"""Documents that linpot's engine can express, as potentials: the inverse of the export."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations_with_replacement

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray

from linpot.basis.ace import build_program
from linpot.basis.basis import Basis
from linpot.basis.counting import count_invariants
from linpot.basis.coupling import couple
from linpot.basis.enumeration import Block
from linpot.basis.radial import RadialParameters
from linpot.basis.specification import BasisSpecification
from linpot.errors import FileFormatError, InputError
from linpot.lammps.complex_products import complex_products, half_basis_sums
from linpot.lammps.document import Bond, Function, YaceDocument
from linpot.lammps.radial_expansion import project
from linpot.model.linear_potential import LinearPotential

Floats = NDArray[np.float64]
Channels = tuple[tuple[int, int, int], ...]
"""Sorted (l, species, n) of each factor, as blocks have them."""

_SAME_RADIAL = 1e-4  # of the largest value: far above rounding, far below another function
_SAME_FUNCTION = 1e-9


class OtherProgramError(FileFormatError):
    """A document is valid, but not of the kind that linpot writes."""


def restore_potential(document: YaceDocument) -> LinearPotential:
    """
    Rebuild a potential from a document.

    Parameters
    ----------
    document : YaceDocument

    Returns
    -------
    LinearPotential

    Raises
    ------
    OtherProgramError
        If its energy is not one of linpot's programs: other radial functions, several densities,
        core repulsion, functions that are no invariants.
    """
    order = sorted(range(len(document.elements)), key=lambda i: _number(document, i))
    place = {old: new for new, old in enumerate(order)}
    elements = tuple(document.elements[i] for i in order)
    radial = _radial_parameters(document)
    tables = _recurrences(document, radial)
    pairs = _pair_coefficients(document, radial, tables)
    programs, coefficients = [], []
    for center in order:
        blocks = _blocks(document, center, pairs, place)
        program = build_program(tuple(blocks), len(elements))
        programs.append(program)
        coefficients.append(_coefficients(document, center, pairs, place, tuple(blocks)))
    n_radial = max(program.n_radial for program in programs)
    parameters = np.array([[radial[i, j].as_row() for j in order] for i in order])
    recurrence = np.array([[radial[i, j].recurrence(n_radial) for j in order] for i in order])
    specification = BasisSpecification(
        elements=elements,
        radial={
            (a, b): radial[document.elements.index(a), document.elements.index(b)]
            for a, b in combinations_with_replacement(elements, 2)
        },
        body_order=max(int(program.body_orders.max()) for program in programs),
        n_functions={s: p.n_features for s, p in zip(elements, programs, strict=True)},
        l_max=max(12, *(program.l_max for program in programs)),
    )
    return LinearPotential(
        Basis(specification, tuple(programs), parameters, recurrence),
        np.concatenate(coefficients),
        dict(zip(document.elements, document.isolated_atom_energies, strict=True)),
        {"origin": "read from a LAMMPS pace file"},
    )


def _number(document: YaceDocument, species: int) -> int:
    return int(atomic_numbers[document.elements[species]])


def _refuse(reason: str) -> OtherProgramError:
    return OtherProgramError(
        f"{reason}: this potential is not of the kind that linpot writes; `PacePotential` runs it"
    )


def _radial_parameters(document: YaceDocument) -> dict[tuple[int, int], RadialParameters]:
    for i, embedding in enumerate(document.embeddings):
        if embedding.n_densities != 1 or embedding.parameters != (1.0, 1.0):
            raise _refuse(f"embeddings[{i}] is not one linear density")
        if embedding.core_cutoff - embedding.core_width < 0.0:
            raise _refuse(f"embeddings[{i}]: rho_core_cutoff acts without core repulsion")
    radial = {}
    for (i, j), bond in document.bonds.items():
        where, twin = f"bonds[{[i, j]}]", document.bonds[j, i]
        if bond.family != "ChebExpCos":
            raise _refuse(f"{where}: radbasename is {bond.family}")
        if bond.core_strength != 0.0:
            raise _refuse(f"{where}: prehc is not 0")
        if bond.cutoff_width != 0.0:
            raise _refuse(f"{where}: dcut is not 0")
        if bond.inner_kind != "distance" and bond.inner_cutoff > 0.0:
            raise _refuse(f"{where}: inner_cutoff_type is {bond.inner_kind}")
        if _shape(bond) != _shape(twin):
            raise _refuse(f"{where}: cutoffs differ from those of the pair the other way round")
        try:
            # the width is stored, the start of the taper is wanted: one rounding in each
            start = bond.inner_cutoff - bond.inner_width
            radial[i, j] = RadialParameters(
                bond.cutoff, bond.parameters[0], max(start, 0.0), bond.inner_cutoff
            )
        except InputError as error:
            raise _refuse(f"{where}: {error}") from error
    return radial


def _shape(bond: Bond) -> tuple[float, ...]:
    return bond.cutoff, bond.parameters[0], bond.inner_cutoff, bond.inner_width


def _recurrences(
    document: YaceDocument, radial: Mapping[tuple[int, int], RadialParameters]
) -> dict[tuple[int, int], Floats]:
    """Check that the radial functions of every bond are linpot's."""
    tables = {}
    for pair, bond in document.bonds.items():
        where = f"bonds[{list(pair)}]"
        table = radial[pair].recurrence(bond.n_base)
        coefficients = bond.coefficients
        if coefficients.size:
            if np.ptp(coefficients, axis=1).any():
                raise _refuse(f"{where}: radcoefficients depend on l")
            mixtures, error = project(radial[pair], table, coefficients[:, 0, :])
            deviation = np.abs(mixtures - np.eye(*mixtures.shape)).max()
            if max(error, deviation) > _SAME_RADIAL:
                raise _refuse(f"{where}: radcoefficients are not those of linpot's functions")
        tables[pair] = table
    return tables


def _pair_coefficients(
    document: YaceDocument,
    radial: Mapping[tuple[int, int], RadialParameters],
    tables: Mapping[tuple[int, int], Floats],
) -> dict[tuple[int, int], Floats]:
    """Return the coefficients of R_n in every pair potential, as many as it needs."""
    result = {}
    for (i, j), bond in document.bonds.items():
        base = np.zeros((1, bond.n_base))
        for function in document.functions[i]:
            if function.rank == 1 and function.species[0] == j:
                base[0, function.radial[0] - 1] += function.coefficients[0, 0]
        if not base.any():
            result[i, j] = np.zeros(0)
            continue
        mixture, error = _fewest_functions(radial[i, j], tables[i, j], base)
        if error > _SAME_FUNCTION:
            raise _refuse(f"functions[{i}]: the pair terms with species {j} are not linpot's")
        result[i, j] = mixture[0]
    return result


def _fewest_functions(
    radial: RadialParameters, table: Floats, base: Floats
) -> tuple[Floats, float]:
    """
    Project on the smallest number of functions that is as good as all of them.

    The error falls to rounding at the number that the potential had; more fit the rounding itself,
    a few times better.
    """
    _, floor = project(radial, table, base)
    enough = max(30.0 * floor, 1e-14)
    low, high = 0, len(table)
    while high - low > 1:
        middle = (low + high) // 2
        if project(radial, table[:middle], base)[1] <= enough:
            high = middle
        else:
            low = middle
    return project(radial, table[:high], base)


def _blocks(
    document: YaceDocument,
    center: int,
    pairs: Mapping[tuple[int, int], Floats],
    place: Mapping[int, int],
) -> list[Block]:
    """List the blocks of a centre, by body order, then channels."""
    found: set[Channels] = set()
    for old, new in place.items():
        found.update(((0, new, n),) for n in range(len(pairs[center, old])))
    for function in document.functions[center]:
        if function.rank > 1:
            found.add(_channels(function, place)[0])
    if not found:
        found.add(((0, 0, 0),))  # a program has one function at least; its coefficient is zero
    blocks = []
    for channels in sorted(found, key=lambda c: (len(c), c)):
        block = Block(0.0, channels, 0)
        if len(channels) > 6:
            raise _refuse(f"functions[{center}]: the rank is {len(channels)}, above 6")
        n_functions = count_invariants(block.ls, block.classes)
        if n_functions == 0:
            raise _refuse(f"functions[{center}]: l = {list(block.ls)} has no invariant")
        blocks.append(Block(0.0, channels, n_functions))
    return blocks


def _channels(function: Function, place: Mapping[int, int]) -> tuple[Channels, list[int]]:
    """Return the sorted channels of a function, and its factors in that order."""
    channels = [
        (int(l), place[int(z)], int(n) - 1)
        for z, n, l in zip(function.species, function.radial, function.angular, strict=True)
    ]
    order = sorted(range(len(channels)), key=channels.__getitem__)
    return tuple(channels[t] for t in order), order


def _coefficients(
    document: YaceDocument,
    center: int,
    pairs: Mapping[tuple[int, int], Floats],
    place: Mapping[int, int],
    blocks: tuple[Block, ...],
) -> Floats:
    """Return the coefficients of all functions of a centre, in the order of its program."""
    back = {new: old for old, new in place.items()}
    by_block: dict[Channels, list[tuple[NDArray[np.int64], Floats]]] = {}
    for function in document.functions[center]:
        if function.rank > 1:
            channels, order = _channels(function, place)
            entry = function.components[:, order], function.coefficients[:, 0]
            by_block.setdefault(channels, []).append(entry)
    result: list[float] = []
    for block in blocks:
        if len(block.channels) == 1:
            _, species, n = block.channels[0]
            own = pairs[center, back[species]]
            result.append(float(own[n]) if n < len(own) else 0.0)
            continue
        entries = by_block[block.channels]
        components, values = half_basis_sums(
            block.classes,
            np.concatenate([c for c, _ in entries]),
            np.concatenate([v for _, v in entries]),
        )
        result.extend(_decouple(center, block, components, values))
    return np.array(result)


def _decouple(
    center: int, block: Block, components: NDArray[np.int64], values: Floats
) -> list[float]:
    """Solve for the coefficients of the invariants of a block; they are independent."""
    coupling = couple(block.ls, block.classes)
    offset = np.array(block.ls)
    known, functions = complex_products(
        block.ls, block.classes, coupling.monomials - offset, coupling.coefficients
    )
    index = {tuple(row): k for k, row in enumerate(known.tolist())}
    target, outside = np.zeros(len(known)), 0.0
    for row, value in zip(components.tolist(), values.tolist(), strict=True):
        k = index.get(tuple(row))
        if k is None:
            outside = max(outside, abs(value))
        else:
            target[k] += value
    solution = np.linalg.lstsq(functions.T, target, rcond=None)[0]
    remainder = max(outside, float(np.abs(functions.T @ solution - target).max()))
    if remainder > _SAME_FUNCTION * np.abs(values).max():
        raise _refuse(
            f"functions[{center}]: that of (l, species, n) = {list(block.channels)} "
            "is no rotation-invariant one"
        )
    return [float(v) for v in solution]
