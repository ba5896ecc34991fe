"""
Any ASE calculator as a baseline: the linear part learns what is left (delta learning).

A potential file holds the name of a calculator and plain parameters, never code: what a name stands
for is registered by the program that loads the file.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import importlib.util
import json
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import Any, Protocol

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.data import atomic_numbers, chemical_symbols
from numpy.typing import NDArray

from linpot.errors import InputError
from linpot.model.prediction import Prediction, Predictions
from linpot.model.protocol import ManyAtOnce
from linpot.model.registry import register_model
from linpot.structures.neighbors import Neighbors
from linpot.structures.structure import Structure

Arrays = Mapping[str, NDArray[np.float64]]
Factory = Callable[..., Calculator]

_ONE_AT_A_TIME = Lock()


class ResultCache(Protocol):
    """Keeps results of calculators by key; see `MemoryCache` and `linpot.DiskCache`."""

    def get(self, key: str) -> Arrays | None:
        """Return what was put under a key, or None."""

    def put(self, key: str, arrays: Arrays) -> None:
        """Keep arrays under a key; old ones may go."""


class MemoryCache:
    """
    Results in memory; those not used for the longest time go first.

    Parameters
    ----------
    max_megabytes : float
    """

    def __init__(self, max_megabytes: float = 256.0) -> None:
        self.max_bytes = int(1e6 * max_megabytes)
        self._kept: OrderedDict[str, Arrays] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def __reduce__(self) -> tuple[type[MemoryCache], tuple[float]]:
        """Go to other processes empty."""
        return MemoryCache, (1e-6 * self.max_bytes,)

    def get(self, key: str) -> Arrays | None:
        """Return what was put under a key, or None."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: str, arrays: Arrays) -> None:
        """Keep arrays under a key; old ones may go."""
        with self._lock:
            if key not in self._kept:
                self._bytes += _size(arrays)
            self._kept[key] = arrays
            while self._bytes > self.max_bytes:
                _, oldest = self._kept.popitem(last=False)
                self._bytes -= _size(oldest)


def _size(arrays: Arrays) -> int:
    return sum(array.nbytes for array in arrays.values()) + 500  # and what Python needs


def register_calculator(name: str, factory: Factory, *, version: str = "") -> None:
    """
    Say what calculator a name stands for, here and in potential files.

    Parameters
    ----------
    name : str
    factory : callable
        Takes the parameters of a `CalculatorBaseline` as keywords, returns an ASE calculator. Being
        called with what a file says, it should refuse what it does not know.
    version : str
        Of the code behind it: results of other versions in a cache are not used.

    Raises
    ------
    InputError
        If the name is taken.
    """
    if _FACTORIES.setdefault(name, factory) is not factory:
        raise InputError(f"the calculator name {name!r} is taken; choose another one")
    _VERSIONS[name] = version


@register_model
@dataclass(frozen=True)
class CalculatorBaseline(ManyAtOnce):
    """
    The energy of an ASE calculator.

    Structures are evaluated one after another, also if several threads ask, and each of them once:
    results are kept by content (elements, positions, cell, periodicity; name, version, parameters).

    Attributes
    ----------
    name : str
        "tblite", or what `register_calculator` was told. It is looked up at the first evaluation.
    parameters : mapping
        What the factory takes, for "tblite" ``{"method": "GFN1-xTB"}``; plain values.
    symbols : tuple of str or None
        Elements that the calculator knows; None for all.
    cache : ResultCache
        In memory unless given; not stored in files.

    Raises
    ------
    InputError
        If the parameters are not plain values.
    """

    name: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    symbols: tuple[str, ...] | None = None
    cache: ResultCache = field(default_factory=MemoryCache, compare=False, repr=False)
    kind = "calculator"
    part_name = "calculator"
    can_be_scanned = False

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise InputError(f"`name` must be the name of a calculator, got {self.name!r}")
        try:
            plain = json.loads(json.dumps(dict(self.parameters), allow_nan=False))
        except (TypeError, ValueError) as error:
            raise InputError(
                f"`parameters` of calculator {self.name!r} must be plain values "
                f"(numbers, words, lists), got {self.parameters!r}: {error}"
            ) from error
        object.__setattr__(self, "parameters", plain)
        for symbol in self.symbols or ():
            if symbol not in atomic_numbers or symbol == "X":
                raise InputError(f"`symbols` must name elements, got {symbol!r}")

    def __getstate__(self) -> dict[str, Any]:
        """Leave the calculator behind: other processes make their own."""
        return {name: value for name, value in self.__dict__.items() if name != "calculator"}

    @property
    def cutoff(self) -> float:
        """0: no neighbor pairs are needed."""
        return 0.0

    @property
    def elements(self) -> tuple[str, ...]:
        """Elements that the calculator is said to know."""
        return self.symbols or tuple(chemical_symbols[1:])

    @cached_property
    def calculator(self) -> Calculator:
        """
        The calculator, made by its factory.

        Raises
        ------
        InputError
            If the name is not registered, or the factory does not take the parameters.
        """
        if self.name not in _FACTORIES:
            raise InputError(
                f"the calculator {self.name!r} is not known here (known: "
                f"{', '.join(sorted(_FACTORIES))}); register it: "
                f"linpot.register_calculator({self.name!r}, factory)"
            )
        try:
            return _FACTORIES[self.name](**self.parameters)
        except TypeError as error:
            raise InputError(
                f"the calculator {self.name!r} does not take {self.parameters!r}: {error}"
            ) from error

    def predict_many(
        self,
        structures: Sequence[Structure],
        neighbors: Sequence[Neighbors | None] | None = None,
        *,
        forces: bool = True,
        threads: int = 1,
    ) -> Predictions:
        """Evaluate structures, or look them up; see `EnergyModel.predict_many`."""
        found = []
        for structure in structures:
            self.species_of(structure)  # refuses what is not among the elements
            key = self._key(structure)
            arrays = self.cache.get(key)
            if arrays is None:
                with _ONE_AT_A_TIME:  # calculators have a state
                    arrays = self._evaluate(structure)
                self.cache.put(key, arrays)
            if arrays["forces"].shape != (structure.n_atoms, 3):
                raise InputError(
                    f"the cache holds forces of another structure for {structure.name}; empty it"
                )
            energy = float(arrays["energy"][0])
            prediction = Prediction(energy)
            if forces:
                prediction = Prediction(energy, arrays["forces"].copy(), arrays.get("virial"))
            found.append(prediction)
        return Predictions.of(found, [s.n_atoms for s in structures])

    def _key(self, structure: Structure) -> str:
        """Return a hash of everything that the result depends on."""
        digest = hashlib.sha256()
        digest.update(
            json.dumps([self.name, _version(self.name), self.parameters], sort_keys=True).encode()
        )
        periodic = structure.cell if any(structure.pbc) else np.zeros((3, 3))
        for array in (structure.numbers, structure.positions, periodic, np.array(structure.pbc)):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def _evaluate(self, structure: Structure) -> Arrays:
        calculator = self.calculator
        if hasattr(calculator, "reset"):
            calculator.reset()  # or self-consistent ones would start from the last result
        atoms = Atoms(
            structure.numbers, structure.positions, cell=structure.cell, pbc=structure.pbc
        )
        atoms.calc = calculator
        try:
            energy = float(atoms.get_potential_energy())
            forces = np.array(atoms.get_forces(), dtype=np.float64)
            arrays = {"energy": np.array([energy]), "forces": forces}
            if structure.is_bulk and "stress" in calculator.implemented_properties:
                stress = np.asarray(atoms.get_stress(voigt=False), dtype=np.float64)
                arrays["virial"] = -structure.volume * stress
        except RuntimeError as error:  # of which ASE's errors of calculators are
            raise InputError(
                f"the calculator {self.name!r} failed on {structure.name}: {error}"
            ) from error
        if not any(structure.pbc):
            virial = structure.positions.T @ forces  # without images, sum_i r_i (x) F_i
            arrays["virial"] = 0.5 * (virial + virial.T)
        if not all(np.isfinite(array).all() for array in arrays.values()):
            raise InputError(
                f"the calculator {self.name!r} returned a value that is not finite for "
                f"{structure.name}"
            )
        return arrays

    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray]]:
        """Return plain values; the cache stays behind."""
        return {
            "name": self.name,
            "parameters": dict(self.parameters),
            "symbols": None if self.symbols is None else list(self.symbols),
        }, {}

    @classmethod
    def from_state(
        cls, header: Mapping[str, Any], arrays: Mapping[str, NDArray]
    ) -> CalculatorBaseline:
        """Rebuild from plain values; nothing is looked up or run yet."""
        symbols = header["symbols"]
        return cls(
            header["name"], header["parameters"], None if symbols is None else tuple(symbols)
        )


_TBLITE_METHODS = ("GFN1-xTB", "GFN2-xTB", "IPEA1-xTB")


def _tblite(
    *,
    method: str = "GFN1-xTB",
    charge: float = 0.0,
    accuracy: float = 1.0,
    electronic_temperature: float = 300.0,
    max_iterations: int = 250,
) -> Calculator:
    """Make a calculator of the package `tblite`: extended tight binding."""
    if method not in _TBLITE_METHODS:
        raise InputError(f"`method` must be one of {', '.join(_TBLITE_METHODS)}, got {method!r}")
    if importlib.util.find_spec("tblite") is None:
        raise InputError(
            "the calculator 'tblite' needs a package; install it with pip install tblite"
        )
    return importlib.import_module("tblite.ase").TBLite(
        method=method,
        charge=float(charge),
        accuracy=float(accuracy),
        electronic_temperature=float(electronic_temperature),
        max_iterations=int(max_iterations),
        verbosity=0,
    )


def _version(name: str) -> str:
    """Return the version of a calculator, as far as it is known."""
    if name == "tblite" and importlib.util.find_spec("tblite") is not None:
        return importlib.metadata.version("tblite")
    return _VERSIONS.get(name, "")


_FACTORIES: dict[str, Factory] = {"tblite": _tblite}
_VERSIONS: dict[str, str] = {}
