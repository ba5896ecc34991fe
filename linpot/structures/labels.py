"""
Reference labels: where an `ase.Atoms` keeps its energy, forces and stress.

Candidates come from the results of the attached calculator (never from a calculation) and from
`info` and `arrays` under the names in `NAMES`. One candidate is taken; several must agree.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import compare_atoms
from ase.stress import full_3x3_to_voigt_6_stress, voigt_6_to_full_3x3_stress
from numpy.typing import NDArray

from linpot.checks import finite_array
from linpot.errors import InputError
from linpot.structures.structure import Labels

_LARGEST = 1e15  # eV, eV/A ...: the squares of larger labels leave no digits for others
_STEMS = {
    "energy": ("energy", "e", "total_energy", "potential_energy"),
    "free_energy": ("free_energy",),
    "forces": ("forces", "force"),
    "stress": ("stress",),
    "virial": ("virial", "virials"),
    "charges": ("charges",),
    "dipole": ("dipole", "dipole_moment"),
}
_IN_ARRAYS = ("forces", "charges")
_DECORATIONS = ("{}", "ref_{}", "dft_{}", "{}_ref", "{}_dft")

#: Names under which labels are recognised, in any case and with "-" for "_".
NAMES = {
    quantity: tuple(decoration.format(stem) for stem in stems for decoration in _DECORATIONS)
    for quantity, stems in _STEMS.items()
}

QUANTITIES = ("energy", "forces", "stress", "virial", "charges", "dipole")
"""What `LabelKeys` can name."""

# Two candidates agree within single precision (6e-8) or what six printed decimals leave.
_RELATIVE, _ABSOLUTE = 1e-7, 1e-6
# Analytical stresses of electronic-structure codes are symmetric to about 1e-4 of their size.
_ASYMMETRY = 1e-3


@dataclass(frozen=True)
class LabelKeys:
    """
    Where the labels are; None finds them, "none" ignores them even if they are there.

    Attributes
    ----------
    energy : str or None
    forces : str or None
    stress : str or None
        In the sign of ASE. "none" ignores automatically found virials as well.
    virial : str or None
        Same label as `stress`: virial = -volume * stress. If one of the two is named, only that
        one is looked for.
    charges : str or None
        Given charges serve where nothing else is found.
    dipole : str or None
        Of structures that are periodic it is not looked for: it depends on the choice of images.

    Raises
    ------
    InputError
        If a key is not text, is empty, or if `stress` has the name of a virial.
    """

    energy: str | None = None
    forces: str | None = None
    stress: str | None = None
    virial: str | None = None
    charges: str | None = None
    dipole: str | None = None

    def __post_init__(self) -> None:
        for quantity in QUANTITIES:
            key = getattr(self, quantity)
            if key is not None and (not isinstance(key, str) or not key.strip()):
                raise InputError(f"`{quantity}` key must be a name or 'none', got {key!r}")
        if self.stress is not None and _plain(self.stress) in NAMES["virial"]:
            raise InputError(
                f"`stress` key must not be the name of a virial, got {self.stress!r}; "
                f"pass it as LabelKeys(virial={self.stress!r}) or --virial-key {self.stress}"
            )

    @property
    def named(self) -> dict[str, str]:
        """Keys that the user named, by quantity; neither automatic nor ignored ones."""
        every = {q: getattr(self, q) for q in QUANTITIES}
        return {q: key for q, key in every.items() if key is not None and key.lower() != "none"}

    def ignores(self, quantity: str) -> bool:
        """Whether the user asked to ignore `quantity`."""
        key = getattr(self, quantity)
        return isinstance(key, str) and key.lower() == "none"


#: Find every label by its usual names.
AUTOMATIC = LabelKeys()


@dataclass(frozen=True)
class FoundLabels:
    """
    Labels of one structure with their origin.

    Attributes
    ----------
    labels : Labels
    keys : dict of str to str
        Label to place: "calculator", "info['REF_energy']", "arrays['dft_forces']". Several
        places that agree are joined by " = ".
    """

    labels: Labels
    keys: dict[str, str]


@dataclass(frozen=True)
class _Candidate:
    quantity: str  # one of NAMES
    key: str
    where: str
    value: Any


def find_labels(atoms: Atoms, keys: LabelKeys = AUTOMATIC, name: str = "structure") -> FoundLabels:
    """
    Find energy, forces, stress, charges and dipole of one structure.

    The label `energy` is what ASE calls `energy` (the result of `get_potential_energy()`, with
    smearing the value extrapolated to zero width). The force-consistent `free_energy` is taken
    only where there is no `energy`; where both exist and differ, `keys` says so, and
    ``LabelKeys(energy="free_energy")`` takes the other one for the whole data set.

    A named key is looked for in `info` (forces, charges: `arrays`) first, then in the calculator's
    results.

    Parameters
    ----------
    atoms : ase.Atoms
        Not modified; no calculation is triggered.
    keys : LabelKeys
    name : str
        How messages call the structure.

    Returns
    -------
    FoundLabels

    Raises
    ------
    InputError
        If two candidates for one label differ, if a value has the wrong shape or is not finite,
        if a stress is not symmetric or not defined for this periodicity, or if the calculator's
        results belong to other positions.
    """
    candidates = list(_candidates(atoms, keys))
    if any(c.where.startswith("calculator") for c in candidates):
        _refuse_stale_results(atoms, name)
    energies = _read(candidates, "energy", atoms, name)
    note = ""
    if "energy" not in keys.named:
        free = _read(candidates, "free_energy", atoms, name)
        if energies and free and not _agree(energies[0][1], free[0][1]):
            note = " (free_energy differs)"
        energies = energies or free
    found = {
        "energy": energies,
        "forces": _read(candidates, "forces", atoms, name),
        "stress": [
            *_read(candidates, "stress", atoms, name),
            *_read(candidates, "virial", atoms, name),
        ],
        "charges": _read(candidates, "charges", atoms, name),
        "dipole": _read(candidates, "dipole", atoms, name),
    }
    for label, values in found.items():
        _refuse_contradiction(label, values, name)
    places = {label: " = ".join(c.where for c, _ in v) for label, v in found.items() if v}
    if note:
        places["energy"] += note
    value = {label: v[0][1] if v else None for label, v in found.items()}
    labels = Labels(
        energy=None if value["energy"] is None else float(value["energy"]),
        forces=value["forces"],
        stress=value["stress"],
        charges=value["charges"],
        dipole=value["dipole"],
    )
    return FoundLabels(labels=labels, keys=places)


def has_key(atoms: Atoms, quantity: str, key: str) -> bool:
    """Whether a structure carries `key` where the labels of that quantity live."""
    return next(_with_key(atoms, quantity, key), None) is not None


def present_keys(atoms: Atoms, quantity: str) -> set[str]:
    """Names that a structure offers where the labels of that quantity live."""
    held = {k for k in _holder(atoms, quantity)[1] if isinstance(k, str)}
    return (held - {"numbers", "positions"}) | set(_results(atoms))


def _candidates(atoms: Atoms, keys: LabelKeys) -> Iterator[_Candidate]:
    named = keys.named
    for quantity, key in named.items():
        yield from _with_key(atoms, quantity, key)
    automatic = {"forces", "charges", "dipole"} - set(named)
    if "energy" not in named:
        automatic |= {"energy", "free_energy"}
    if not {"stress", "virial"} & set(named):
        automatic |= {"stress", "virial"}
    ignored = {q for q in QUANTITIES if keys.ignores(q)}
    ignored |= {"free_energy"} if "energy" in ignored else set()
    ignored |= {"virial"} if "stress" in ignored else set()
    for quantity in sorted(automatic - ignored):
        if quantity != "virial":
            yield from _result(atoms, quantity, quantity)
        holder, values = _holder(atoms, quantity)
        for key, value in values.items():
            is_named = isinstance(key, str) and _plain(key) in NAMES[quantity]
            if is_named and value is not None:
                yield _Candidate(quantity, key, f"{holder}[{key!r}]", value)


def _with_key(atoms: Atoms, quantity: str, key: str) -> Iterator[_Candidate]:
    holder, values = _holder(atoms, quantity)
    if values.get(key) is not None:
        yield _Candidate(quantity, key, f"{holder}[{key!r}]", values[key])
    else:
        yield from _result(atoms, quantity, key)


def _result(atoms: Atoms, quantity: str, key: str) -> Iterator[_Candidate]:
    value = _results(atoms).get(key)
    if value is not None:
        where = "calculator" if key in QUANTITIES else f"calculator ({key})"
        yield _Candidate(quantity, key, where, value)


def _holder(atoms: Atoms, quantity: str) -> tuple[str, dict[Any, Any]]:
    return ("arrays", atoms.arrays) if quantity in _IN_ARRAYS else ("info", atoms.info)


def _results(atoms: Atoms) -> dict[str, Any]:
    return getattr(atoms.calc, "results", None) or {}


def _plain(key: str) -> str:
    return key.lower().replace("-", "_")


def _refuse_stale_results(atoms: Atoms, name: str) -> None:
    # One calculator shared by many Atoms holds the results of the last one only.
    owner = getattr(atoms.calc, "atoms", None)
    if owner is None:
        return
    changed = {"positions", "numbers", "cell", "pbc"} & set(compare_atoms(owner, atoms, tol=1e-10))
    if changed:
        raise InputError(
            f"{name} has a calculator with results of other atoms (different: "
            f"{', '.join(sorted(changed))}); after each calculation, set "
            "`atoms.calc = SinglePointCalculator(atoms, **atoms.calc.results)`"
        )


def _read(
    candidates: list[_Candidate], quantity: str, atoms: Atoms, name: str
) -> list[tuple[_Candidate, NDArray[np.float64]]]:
    read = []
    for candidate in candidates:
        if candidate.quantity == quantity:
            value = _checked(candidate, atoms, name)
            if value is not None:
                read.append((candidate, value))
    return read


def _checked(candidate: _Candidate, atoms: Atoms, name: str) -> NDArray[np.float64] | None:
    """Return the value in the shape of its label, or None for what is not defined."""
    quantity = candidate.quantity.removeprefix("free_")
    place = f"{name} (from {candidate.where})"
    try:
        raw = np.asarray(candidate.value)
    except ValueError as error:  # rows of different lengths
        raise InputError(f"`{quantity}` must hold numbers in {place}: {error}") from error
    if raw.dtype.kind not in "iuf":
        raise InputError(f"`{quantity}` must hold numbers, got {candidate.value!r} in {place}")

    def numbers(values: NDArray[Any], shape: list[int | None]) -> NDArray[np.float64]:
        return finite_array(quantity, values, shape, place, largest=_LARGEST)

    if quantity == "energy":
        return numbers(raw.reshape(()) if raw.size == 1 else raw, []).copy()
    if quantity == "forces":
        return numbers(raw, [len(atoms), 3]).copy()
    if quantity == "charges":
        return numbers(raw, [len(atoms)]).copy()
    if quantity == "dipole":
        dipole = numbers(raw, [3]).copy()
        return None if atoms.pbc.any() else dipole
    if raw.shape not in ((6,), (9,), (3, 3)):
        shape = list(raw.shape)
        raise InputError(f"`{quantity}` must have shape [6], [9] or [3, 3], got {shape} in {place}")
    full = numbers(raw, list(raw.shape))
    full = voigt_6_to_full_3x3_stress(full) if full.shape == (6,) else full.reshape(3, 3)
    if not atoms.pbc.all() or abs(np.linalg.det(atoms.cell.array)) == 0.0:
        if not full.any():
            return None
        raise InputError(
            f"{name} has a {quantity} (from {candidate.where}), which needs a cell that is "
            f"periodic in three directions, got pbc {atoms.pbc.tolist()}; set pbc, or ignore the "
            "label with LabelKeys(stress='none') or --stress-key none"
        )
    stress = -full / abs(np.linalg.det(atoms.cell.array)) if quantity == "virial" else full
    asymmetry = np.abs(stress - stress.T).max()
    if asymmetry > _ASYMMETRY * np.abs(stress).max() + _ABSOLUTE:
        raise InputError(f"`{quantity}` must be symmetric, got {full.tolist()} in {place}")
    return np.ascontiguousarray(full_3x3_to_voigt_6_stress(stress), dtype=np.float64)


def _agree(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    return bool(np.abs(a - b).max() <= _ABSOLUTE + _RELATIVE * np.abs(a).max())


def _refuse_contradiction(
    label: str, values: list[tuple[_Candidate, NDArray[np.float64]]], name: str
) -> None:
    for second, b in values[1:]:
        first, a = values[0]
        if _agree(a, b):
            continue
        at = np.unravel_index(int(np.abs(a - b).argmax()), a.shape)
        entry = label + (str([int(i) for i in at]) if at else "")
        options = ((c.quantity.removeprefix("free_"), c.key) for c in (first, second))
        advice = " or ".join(
            dict.fromkeys(f"LabelKeys({q}={key!r}) (--{q}-key {key})" for q, key in options)
        )
        raise InputError(
            f"{name} has two values of {entry} that differ: {a[at]:.8g} in {first.where} and "
            f"{b[at]:.8g} in {second.where}; choose one with {advice}"
        )
