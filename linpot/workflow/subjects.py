"""What can be verified or validated: potentials, their files, and any calculators."""

from __future__ import annotations

import importlib
import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator
from ase.data import atomic_numbers, chemical_symbols, reference_states

from linpot import checks
from linpot.calculators.ase_calculator import LinpotCalculator
from linpot.errors import InputError
from linpot.io.potential_file import load_potential
from linpot.io.reference_values import shipped_references
from linpot.model.linear_potential import LinearPotential
from linpot.model.protocol import EnergyModel
from linpot.model.sum import ModelSum
from linpot.structures.structure import INITIAL_CHARGES
from linpot.validation.subject import Subject

Source: TypeAlias = EnergyModel | str | os.PathLike[str] | Calculator | Callable[[], Calculator]
"""A potential, its file, a calculator, or a function that returns a new calculator."""


def make_subject(
    source: Source,
    *,
    elements: Sequence[str] = (),
    cutoff: float | None = None,
    structures: Sequence[Atoms] = (),
    name: str = "",
) -> Subject:
    """
    Find out what is to be verified.

    Parameters
    ----------
    source : EnergyModel, path, Calculator or callable
        Text may also be "package.module:Name", what `name` in that module returns when called.
    elements : sequence of str
        Claimed ones; those of a potential if not given, else of `structures`.
    cutoff : float, A, optional
        Where interactions of a calculator end; potentials know theirs.
    structures : sequence of Atoms
        Their initial charges are given to atoms of made structures.
    name : str

    Returns
    -------
    Subject

    Raises
    ------
    InputError
        If nothing says what the elements are, or a name leads to no calculator.
    """
    for symbol in elements:
        if symbol not in chemical_symbols[1:]:
            raise InputError(f"`elements` must be chemical symbols, got {symbol!r}")
    if cutoff is not None:
        checks.positive("cutoff", cutoff, "length in A")
    model = model_of(source)
    charges = _charges(structures)
    if model is not None:
        kept = model
        return Subject(
            name or (str(source) if isinstance(source, str | os.PathLike) else model.kind),
            lambda threads: LinpotCalculator(kept, threads=threads),
            tuple(elements) or model.elements,
            model.cutoff,
            shortest_distances(model),
            charges,
            model.continuity,
            takes_threads=True,
        )
    seen = tuple(dict.fromkeys(s for atoms in structures for s in atoms.symbols))
    claimed = tuple(elements) or seen
    if not claimed:
        raise InputError(
            "`elements` must name what the calculator knows, got none; pass elements=['Cu'] "
            "(--elements Cu), or a structure"
        )
    make, many = _maker(source)
    return Subject(name or _name(source), make, claimed, cutoff, {}, charges, makes_many=many)


def shortest_distances(model: EnergyModel) -> dict[tuple[str, str], float]:
    """Return the shortest distances of the data of a potential by pair, A; empty if unknown."""
    parts = model.parts if isinstance(model, ModelSum) else (model,)
    for part in parts:
        if isinstance(part, LinearPotential):
            known = part.provenance.get("shortest_distances", {})
            return {(a, b): float(r) for (a, b), r in ((k.split("-"), r) for k, r in known.items())}
    return {}


def usual_crystal(elements: Sequence[str]) -> Atoms:
    """
    Return the primitive cell of the usual crystal of an element.

    Raises
    ------
    InputError
        For several elements, and for elements without a simple crystal.
    """
    state = reference_states[atomic_numbers[elements[0]]] if len(elements) == 1 else None
    simple = ("fcc", "bcc", "hcp", "diamond", "sc")
    if state is None or state.get("symmetry") not in simple:
        raise InputError(
            f"`structure` must be given for {' '.join(elements)}, which has no usual crystal; "
            "pass the crystal or molecule to validate (--structure)"
        )
    return bulk(elements[0])


def melting_temperature(crystal: Atoms) -> float | None:
    """Return the shipped melting temperature of an element, K; None for others."""
    symbols = set(crystal.symbols)
    return shipped_references(symbols.pop())[1] if len(symbols) == 1 else None


def model_of(source: Source) -> EnergyModel | None:
    """Return the potential, read from its file if need be; None for calculators."""
    if isinstance(source, EnergyModel):
        return source
    if isinstance(source, str) and ":" in source and not Path(source).exists():
        return None
    if isinstance(source, str | os.PathLike):
        return load_potential(source)
    return None


def _maker(source: Any) -> tuple[Callable[[int], Calculator], bool]:
    if isinstance(source, str):
        source = _imported(source)
    if _is_calculator(source):
        return lambda _: source, False
    if not callable(source):
        raise InputError(
            f"a potential, a calculator or a function that makes one is needed, got {source!r}"
        )
    first = source()
    if not _is_calculator(first):
        raise InputError(
            f"{_name(source)} must return an ASE calculator, got {type(first).__name__}"
        )
    return lambda _: source(), True


def _is_calculator(source: Any) -> bool:
    return not isinstance(source, type) and hasattr(source, "get_potential_energy")


def _imported(text: str) -> Any:
    module, _, name = text.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(
            f"{text!r} must be a file or 'package.module:Name' of a calculator: {error}"
        ) from error


def _name(source: Any) -> str:
    if isinstance(source, str):
        return source
    return getattr(source, "__name__", None) or type(source).__name__


def _charges(structures: Sequence[Atoms]) -> dict[str, float]:
    """Return mean given charges by element, e."""
    found: dict[str, list[float]] = defaultdict(list)
    for atoms in structures:
        if INITIAL_CHARGES in atoms.arrays:
            for symbol, charge in zip(atoms.symbols, atoms.get_initial_charges(), strict=True):
                found[symbol].append(float(charge))
    return {symbol: float(np.mean(values)) for symbol, values in found.items()}
