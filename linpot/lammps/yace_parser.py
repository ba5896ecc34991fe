"""
Read the text of ``.yace`` files into documents, trusting nothing.

The keys ``[0, 1]:`` of `bonds` are legal YAML that PyYAML cannot hash; they become strings before
it sees the text. Anchors and aliases are refused, so that a small file stays a small document.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from linpot.errors import FileFormatError
from linpot.lammps.document import MAX_RANK, Bond, Embedding, Function, YaceDocument

_PAIR_KEY = re.compile(r"(?m)(^\s*|[{,]\s*)(\[\s*\d+\s*,\s*\d+\s*\])(\s*):")
_ALIAS = re.compile(r"(?m)(^|[\s\[{,:-])[&*]\w")
_MAX_DEPTH = 20
_MAX_INT = 2**31

_SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_SafeLoader):
    """A safe loader that refuses a key given twice, of which YAML libraries keep the last."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        """Build a mapping after looking for repeated keys."""
        known: set[str] = set()
        for key, _ in node.value:
            if isinstance(key.value, str) and key.value in known:
                line = key.start_mark.line + 1
                raise FileFormatError(f"line {line}: the key {key.value[:40]!r} must be given once")
            known.add(str(key.value))
        return super().construct_mapping(node, deep)


def parse_yace(text: str, name: str = "the text") -> YaceDocument:
    """
    Read a document.

    Parameters
    ----------
    text : str
    name : str
        How messages call the file.

    Returns
    -------
    YaceDocument

    Raises
    ------
    FileFormatError
        If it is not YAML, or anything in it is missing, of the wrong kind or out of range; the
        message names the place.
    """
    try:
        return _document(_load(text))
    except FileFormatError as error:
        raise FileFormatError(f"cannot read '{name}': {error}") from error


def _load(text: str) -> Any:
    _refuse_depth(text)
    found = _ALIAS.search(text)
    if found:
        line = text.count("\n", 0, found.end()) + 1
        raise FileFormatError(f"line {line}: anchors and aliases must not be used")
    try:
        return yaml.load(_PAIR_KEY.sub(r'\1"\2"\3:', text), Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}: " if mark is not None else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise FileFormatError(f"{place}it must be YAML: {problem}") from error
    except (ValueError, RecursionError, OverflowError) as error:
        raise FileFormatError(f"it must be YAML: {error}") from error


def _refuse_depth(text: str) -> None:
    """Stop before brackets are nested so deeply that a parser would run out of stack."""
    depth = 0
    for bracket in re.finditer(r"[\[\]{}]", text):
        depth += 1 if bracket.group() in "[{" else -1
        if depth > _MAX_DEPTH:
            line = text.count("\n", 0, bracket.start()) + 1
            raise FileFormatError(f"line {line}: brackets must be nested at most {_MAX_DEPTH} deep")


def _document(root: Any) -> YaceDocument:
    top = _map(root, "the file")
    elements = tuple(
        _str(s, f"elements[{k}]") for k, s in enumerate(_list(_get(top, "elements"), "elements"))
    )
    n = len(elements)
    if "polypairpot" in top or "reppot" in top:
        raise FileFormatError("polypairpot and reppot (ACE.jl) are not supported")
    embeddings = _by_species(_get(top, "embeddings"), "embeddings", n)
    bonds = _map(_get(top, "bonds"), "bonds")
    functions = _by_species(_get(top, "functions"), "functions", n)
    densities = []
    for i, value in enumerate(embeddings):
        densities.append(_embedding(_map(value, f"embeddings[{i}]"), f"embeddings[{i}]"))
    return YaceDocument(
        elements=elements,
        isolated_atom_energies=tuple(_floats(_get(top, "E0"), "E0").tolist()),
        spline_step=_float(_get(top, "deltaSplineBins"), "deltaSplineBins"),
        embeddings=tuple(densities),
        bonds={
            _pair(key): _bond(_map(value, f"bonds[{key}]"), f"bonds[{key}]")
            for key, value in bonds.items()
        },
        functions=tuple(
            tuple(
                _function(_map(item, where), where, i)
                for k, item in enumerate(_list(items, f"functions[{i}]"))
                for where in [f"functions[{i}][{k}]"]
            )
            for i, items in enumerate(functions)
        ),
    )


def _embedding(values: Mapping[str, Any], where: str) -> Embedding:
    return Embedding(
        n_densities=_int(_get(values, "ndensity", where), f"{where}: ndensity"),
        parameters=tuple(
            _floats(_get(values, "FS_parameters", where), f"{where}: FS_parameters").tolist()
        ),
        kind=_str(_get(values, "npoti", where), f"{where}: npoti"),
        core_cutoff=_float(_get(values, "rho_core_cutoff", where), f"{where}: rho_core_cutoff"),
        core_width=_float(_get(values, "drho_core_cutoff", where), f"{where}: drho_core_cutoff"),
    )


def _bond(values: Mapping[str, Any], where: str) -> Bond:
    family = _str(_get(values, "radbasename", where), f"{where}: radbasename")
    if family.startswith("ACE.jl"):
        raise FileFormatError(f"{where}: radbasename {family!r} (ACE.jl) is not supported")

    def number(name: str, default: float | None = None) -> float:
        if default is not None and name not in values:
            return default
        return _float(_get(values, name, where), f"{where}: {name}")

    shape = [
        _int(_get(values, name, where), f"{where}: {name}", low) + (name == "lmax")
        for name, low in (("nradmax", 0), ("lmax", 0), ("nradbasemax", 0))
    ]
    coefficients = _floats(
        _get(values, "radcoefficients", where), f"{where}: radcoefficients", n_axes=3
    )
    if coefficients.size == 0:
        coefficients = coefficients.reshape(0, shape[1], shape[2])
    if list(coefficients.shape) != shape:
        raise FileFormatError(
            f"{where}: radcoefficients must have shape [nradmax, lmax + 1, nradbasemax] = {shape}, "
            f"got {list(coefficients.shape)}"
        )
    return Bond(
        coefficients=coefficients,
        family="SBessel" if family == "TEST_SBessel" else family,
        parameters=tuple(
            _floats(_get(values, "radparameters", where), f"{where}: radparameters").tolist()
        ),
        cutoff=number("rcut"),
        cutoff_width=number("dcut"),
        inner_cutoff=number("rcut_in", 0.0),
        inner_width=number("dcut_in", 0.0),
        inner_kind=_str(values.get("inner_cutoff_type", "density"), f"{where}: inner_cutoff_type"),
        core_strength=number("prehc"),
        core_decay=number("lambdahc"),
    )


def _function(values: Mapping[str, Any], where: str, center: int) -> Function:
    def integers(name: str, length: int) -> NDArray[np.int64]:
        array = _ints(_get(values, name, where), f"{where}: {name}")
        if len(array) != length:
            raise FileFormatError(f"{where}: {name} must have {length} numbers, got {len(array)}")
        return array

    if _int(_get(values, "mu0", where), f"{where}: mu0") != center:
        raise FileFormatError(f"{where}: mu0 must be {center}, got {values['mu0']}")
    rank = _int(_get(values, "rank", where), f"{where}: rank", 1, MAX_RANK)
    n_densities = _int(_get(values, "ndensity", where), f"{where}: ndensity", 1, 100)
    n_products = _int(_get(values, "num_ms_combs", where), f"{where}: num_ms_combs", 0)
    coefficients = _floats(_get(values, "ctildes", where), f"{where}: ctildes")
    if len(coefficients) != n_products * n_densities:
        raise FileFormatError(
            f"{where}: ctildes must have {n_products * n_densities} numbers, "
            f"got {len(coefficients)}"
        )
    return Function(
        species=integers("mus", rank),
        radial=integers("ns", rank),
        angular=integers("ls", rank),
        components=integers("ms_combs", n_products * rank).reshape(n_products, rank),
        coefficients=coefficients.reshape(n_products, n_densities),
    )


def _pair(key: Any) -> tuple[int, int]:
    numbers = re.fullmatch(r"\[\s*(\d{1,3})\s*,\s*(\d{1,3})\s*\]", str(key))
    if not numbers:
        raise FileFormatError(f"bonds: keys must be [i, j], got {str(key)[:40]!r}")
    return int(numbers.group(1)), int(numbers.group(2))


def _by_species(value: Any, where: str, n: int) -> list[Any]:
    values = _map(value, where)
    if set(values) != set(range(n)):
        raise FileFormatError(f"{where} must have the keys 0 to {n - 1}, got {list(values)[:20]}")
    return [values[i] for i in range(n)]


def _get(values: Mapping[str, Any], name: str, where: str = "") -> Any:
    if name not in values:
        raise FileFormatError(f"{where}: {name} is missing" if where else f"{name} is missing")
    return values[name]


def _map(value: Any, where: str) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise FileFormatError(f"{where} must be a mapping, got {_short(value)}")
    return value


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise FileFormatError(f"{where} must be a list, got {_short(value)}")
    return value


def _str(value: Any, where: str) -> str:
    if value is False and where.startswith("elements"):
        return "No"  # YAML 1.1 takes nobelium for a truth value
    if not isinstance(value, str):
        raise FileFormatError(f"{where} must be a word, got {_short(value)}")
    return value


def _int(value: Any, where: str, low: int = -_MAX_INT, high: int = _MAX_INT) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        rule = "a whole number" if low == -_MAX_INT else f"a whole number from {low} to {high}"
        raise FileFormatError(f"{where} must be {rule}, got {_short(value)}")
    return value


def _float(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise FileFormatError(f"{where} must be a number, got {_short(value)}")
    try:
        return float(value)  # YAML 1.1 calls 1e-5 a text
    except (ValueError, OverflowError) as error:
        raise FileFormatError(f"{where} must be a number, got {_short(value)}") from error


def _ints(value: Any, where: str) -> NDArray[np.int64]:
    items = _list(value, where)
    return np.array([_int(v, f"{where}[{k}]") for k, v in enumerate(items)], dtype=np.int64)


def _floats(value: Any, where: str, n_axes: int = 1) -> NDArray[np.float64]:
    items = _list(value, where)
    if n_axes == 1:
        return np.array([_float(v, f"{where}[{k}]") for k, v in enumerate(items)], dtype=float)
    parts = [_floats(v, f"{where}[{k}]", n_axes - 1) for k, v in enumerate(items)]
    if not parts:
        return np.zeros((0,) * n_axes)
    if len({part.shape for part in parts}) > 1:
        raise FileFormatError(f"{where} must have rows of the same length")
    return np.array(parts)


def _short(value: Any) -> str:
    text = repr(value) if not isinstance(value, list | Mapping) else type(value).__name__
    return text if len(text) <= 40 else text[:37] + "..."
