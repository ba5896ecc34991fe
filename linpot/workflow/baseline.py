"""The physics below the learned part: from what a user writes to models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from linpot.baselines.calculator_baseline import CalculatorBaseline
from linpot.baselines.coulomb import Coulomb
from linpot.baselines.d3 import D3
from linpot.baselines.dispersion import Dispersion
from linpot.baselines.pair_potential import PairPotential
from linpot.baselines.zbl import ZBL
from linpot.errors import InputError
from linpot.model.protocol import EnergyModel
from linpot.model.sum import ModelSum
from linpot.workflow.defaults import Distances, default_zbl

NONE = "none"


@dataclass(frozen=True)
class Term:
    """
    One term of a baseline as written: ``zbl``, ``name:word``, ``name:Na=1,Cl=-1``.

    Attributes
    ----------
    name : str
    words : tuple of str
    values : mapping of str to float
    """

    name: str
    words: tuple[str, ...] = ()
    values: Mapping[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        values = ",".join(f"{key}={value:g}" for key, value in self.values.items())
        return ":".join(part for part in (self.name, *self.words, values) if part)


Baseline = str | EnergyModel | Mapping[str, Any] | Sequence[str | EnergyModel]
"""Names, models, or both: ``"zbl"``, ``["zbl", model]``, ``{"name": "word"}``."""


def parse_baseline(baseline: Baseline) -> tuple[Term | EnergyModel, ...]:
    """
    Read what a user writes.

    Parameters
    ----------
    baseline : str, EnergyModel, mapping, or sequence of str and EnergyModel
        Text lists terms with commas. A table of a TOML file has terms as keys; their values are
        true, a word, or a table of numbers.

    Returns
    -------
    tuple of Term or EnergyModel
        Empty for "none".

    Raises
    ------
    InputError
        If a term is not known, takes other arguments, or stands there twice.
    """
    if isinstance(baseline, str):
        terms = _split(baseline)
    elif isinstance(baseline, EnergyModel):
        return (baseline,)
    elif isinstance(baseline, Mapping):
        terms = [_from_table(str(name), value) for name, value in baseline.items()]
    elif isinstance(baseline, Sequence):
        terms = [term for entry in baseline for term in parse_baseline(entry)]
    else:
        raise InputError(
            f"`baseline` must be one of {', '.join((*_BUILDERS, NONE))}, several of them, or an "
            f"EnergyModel, got {baseline!r}"
        )
    names = [term.name for term in terms if isinstance(term, Term)]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"`baseline` must name {name!r} once, got {baseline!r}")
        if name == NONE and len(terms) > 1:
            raise InputError(f"`baseline` must be 'none' alone, got {baseline!r}")
    return tuple(term for term in terms if not (isinstance(term, Term) and term.name == NONE))


def build_baseline(
    terms: Sequence[Term | EnergyModel], distances: Distances, elements: tuple[str, ...]
) -> EnergyModel | None:
    """
    Make the models of all terms and add them up.

    Parameters
    ----------
    terms : sequence of Term or EnergyModel
    distances : mapping of pair to PairDistances
        Of the training data; scales what is chosen by default.
    elements : tuple of str
        That every model must know.

    Returns
    -------
    EnergyModel or None

    Raises
    ------
    InputError
        If a term lacks something, or a model does not know an element.
    """
    models = [
        _BUILDERS[term.name](term, distances, elements) if isinstance(term, Term) else term
        for term in terms
    ]
    for model in models:
        missing = [s for s in elements if s not in model.elements]
        if missing:
            raise InputError(
                f"`baseline` must know every element of the data; {model.kind} does not know "
                f"{missing[0]!r}"
            )
    if not models:
        return None
    return models[0] if len(models) == 1 else ModelSum.of(*models)


def wall_of(baseline: EnergyModel | None) -> EnergyModel | None:
    """Return what repels atoms that come close, so that nothing need be learned there, or None."""
    parts = baseline.parts if isinstance(baseline, ModelSum) else (baseline,)
    walls = [part for part in parts if isinstance(part, ZBL)]
    if not walls:
        return None
    return walls[0] if len(walls) == 1 else ModelSum.of(*walls)


def leaves_binding(baseline: EnergyModel | None) -> bool:
    """Whether what binds atoms is left to be learned: charges and whole potentials bind them."""
    parts = baseline.parts if isinstance(baseline, ModelSum) else (baseline,)
    return all(part is None or isinstance(part, PairPotential | D3 | Dispersion) for part in parts)


def _zbl(term: Term, distances: Distances, elements: tuple[str, ...]) -> EnergyModel:
    _takes_nothing(term)
    return default_zbl(distances, elements)


def _coulomb(term: Term, distances: Distances, elements: tuple[str, ...]) -> EnergyModel:
    if term.words or not term.values:
        raise InputError(
            f"`baseline` 'coulomb' needs the charge of every element, 'coulomb:Na=1,Cl=-1', got "
            f"'{term}' (charges of atoms: Coulomb(..., per_atom=True) in Python)"
        )
    return Coulomb(term.values)


def _dispersion(term: Term, distances: Distances, elements: tuple[str, ...]) -> EnergyModel:
    _takes_nothing(term)
    return Dispersion.of_free_atoms(elements)


def _d3(term: Term, distances: Distances, elements: tuple[str, ...]) -> EnergyModel:
    return D3(_one_word(term, "a functional, 'd3:pbe'"))


def _tblite(term: Term, distances: Distances, elements: tuple[str, ...]) -> EnergyModel:
    method = _one_word(term, "a method, 'tblite:GFN1-xTB'")
    return CalculatorBaseline("tblite", {"method": method}, symbols=elements)


def _takes_nothing(term: Term) -> None:
    if term.words or term.values:
        raise InputError(f"`baseline` {term.name!r} takes no arguments, got '{term}'")


def _one_word(term: Term, what: str) -> str:
    if len(term.words) != 1 or term.values:
        raise InputError(f"`baseline` {term.name!r} needs {what}, got '{term}'")
    return term.words[0]


_BUILDERS: dict[str, Callable[[Term, Distances, tuple[str, ...]], EnergyModel]] = {
    "zbl": _zbl,
    "coulomb": _coulomb,
    "dispersion": _dispersion,
    "d3": _d3,
    "tblite": _tblite,
}


def _split(text: str) -> list[Term | EnergyModel]:
    """Split ``zbl,name:word,name:Na=1,Cl=-1``: what has no name belongs to the term before."""
    terms: list[Term] = []
    for entry in text.split(","):
        name, *words = (part.strip() for part in entry.split(":"))
        if "=" in name and terms:
            words = [name, *words]
        else:
            terms.append(Term(_known(name, text)))
        for word in words:
            terms[-1] = _extended(terms[-1], word, text)
    return list(terms)


def _extended(term: Term, word: str, text: str) -> Term:
    key, equals, value = (part.strip() for part in word.partition("="))
    if not key or (equals and not value):
        raise InputError(f"`baseline` must be like 'zbl' or 'name:word', got {text!r}")
    if not equals:
        return Term(term.name, (*term.words, key), term.values)
    if key in term.values:
        raise InputError(f"`baseline` must give {key!r} of {term.name} once, got {text!r}")
    return Term(term.name, term.words, {**term.values, key: _number(term.name, key, value)})


def _from_table(name: str, value: Any) -> Term:
    known = _known(name, name)
    if value is True:
        return Term(known)
    if isinstance(value, str):
        return Term(known, (value,))
    if isinstance(value, Mapping):
        return Term(known, (), {str(k): _number(name, str(k), v) for k, v in value.items()})
    raise InputError(
        f"`baseline.{name}` must be true, a word, or a table of numbers, got {value!r}"
    )


def _known(name: str, text: str) -> str:
    if name not in _BUILDERS and name != NONE:
        raise InputError(
            f"`baseline` must be one of {', '.join((*_BUILDERS, NONE))}, or several of them with "
            f"commas, got {text!r}"
        )
    return name


def _number(name: str, key: str, value: Any) -> float:
    if not isinstance(value, bool):
        try:
            return float(value)
        except (TypeError, ValueError):
            pass
    raise InputError(f"`baseline` {name}: {key} must be a number, got {value!r}")
