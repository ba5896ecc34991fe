"""
Read the text of ``.ace`` files, the form of PACE potentials before ``.yace``, into documents.

Values follow labels in a fixed order; white space and line ends count alike. The form is that of
the reader in the pace library (docs/lammps.md writes it down), which keeps one embedding for all
elements and was used for one element; more are refused.
"""

from __future__ import annotations

import re
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from linpot.errors import FileFormatError
from linpot.lammps.document import (
    MAX_L,
    MAX_RADIAL,
    MAX_RANK,
    Bond,
    Embedding,
    Function,
    YaceDocument,
)

_START = re.compile(r"(?m)^\s*nelements\s*=")
_TOKEN = re.compile(r"\S+")


def is_ace(text: str) -> bool:
    """Return whether a text is of the old form: one of its lines starts with ``nelements=``."""
    return _START.search(text) is not None


def parse_ace(text: str, name: str = "the text") -> YaceDocument:
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
        If anything is missing, not a number or out of range, for more than one element, or for
        radial functions of ACE.jl; the message names the line.
    """
    start = _START.search(text)
    if start is None:
        raise FileFormatError(f"cannot read '{name}': it must have a line 'nelements=...'")
    try:
        return _document(_Reader(text, start.start()))
    except FileFormatError as error:
        raise FileFormatError(f"cannot read '{name}': {error}") from error


class _Reader:
    """Goes through a text, label by label and number by number."""

    def __init__(self, text: str, place: int) -> None:
        self._text, self._place = text, place
        self._seen = place  # where the last word or the label that is missing begins

    def has(self, label: str) -> bool:
        """Go behind a label if it comes next; its blanks stand for any white space, or none."""
        pattern = r"\s*" + r"\s*".join(map(re.escape, label.split()))
        found = re.compile(pattern).match(self._text, self._place)
        if found:
            self._place = found.end()
        return found is not None

    def expect(self, label: str) -> None:
        if not self.has(label):
            upcoming = _TOKEN.search(self._text, self._place)
            self._seen = upcoming.start() if upcoming else len(self._text)
            words = " ".join(self._text[self._seen : self._seen + 60].split())
            raise self.error(f"'{label}' must come here, got {words[:40]!r}")

    def word(self) -> str:
        found = _TOKEN.search(self._text, self._place)
        if found is None:
            raise self.error("the text ends too early")
        self._seen, self._place = found.span()
        return found.group()

    def number(self) -> float:
        word = self.word()
        try:
            value = float(word)
        except ValueError:
            value = float("nan")
        if not isfinite(value):
            raise self.error(f"a finite number must come here, got {word[:40]!r}")
        return value

    def integer(self, low: int, high: int) -> int:
        word = self.word()
        if not re.fullmatch(r"[+-]?\d{1,9}", word) or not low <= int(word) <= high:
            raise self.error(
                f"a whole number from {low} to {high} must come here, got {word[:40]!r}"
            )
        return int(word)

    def integers(self, label: str, n: int, low: int, high: int) -> NDArray[np.int64]:
        """Read ``label( 1 2 3 )``, numbers and brackets apart from each other."""
        self.expect(f"{label} (")
        values = np.array([self.integer(low, high) for _ in range(n)], dtype=np.int64)
        self.expect(")")
        return values

    def error(self, problem: str) -> FileFormatError:
        line = self._text.count("\n", 0, self._seen) + 1
        return FileFormatError(f"line {line}: {problem}")

    def at_end(self) -> bool:
        return _TOKEN.search(self._text, self._place) is None


def _document(read: _Reader) -> YaceDocument:
    read.expect("nelements=")
    n_elements = read.integer(1, 118)
    if n_elements > 1:
        raise read.error(f"the old .ace form must have one element, got {n_elements}")
    read.expect("elements:")
    elements = (read.word(),)
    read.expect("lmax=")
    l_max = read.integer(0, MAX_L)
    kind = read.word() if read.has("embedding-function:") else None
    n_parameters = read.integer(2, 200)
    read.expect("FS parameters:")
    parameters = tuple(read.number() for _ in range(n_parameters))
    if kind is None and any(exponent != 1.0 for exponent in parameters[1::2]):
        raise read.error("'embedding-function:' must be given for exponents other than 1")
    read.expect("core energy-cutoff parameters:")
    core_cutoff, core_width = read.number(), read.number()
    isolated = read.number() if read.has("E0:") else 0.0
    bond, spline_step = _bond(read, l_max)
    read.expect("rankmax=")
    read.integer(1, MAX_RANK)
    read.expect("ndensitymax=")
    n_densities = read.integer(1, 100)
    if n_parameters != 2 * n_densities:
        raise read.error(f"FS parameters must be {2 * n_densities} numbers, got {n_parameters}")
    for label in ("num_c_tilde_max=", "num_ms_combinations_max="):
        read.expect(label)
        read.integer(0, 10**9 - 1)  # sizes of arrays there; not needed here
    functions: list[Function] = []
    for label in ("total_basis_size_rank1:", "total_basis_size:"):
        read.expect(label)
        functions += [_function(read, n_densities) for _ in range(read.integer(0, 10**7))]
    if not read.at_end():
        raise read.error("the text must end here")
    return YaceDocument(
        elements=elements,
        isolated_atom_energies=(isolated,),
        spline_step=spline_step,
        embeddings=(
            Embedding(n_densities, parameters, kind or "FinnisSinclair", core_cutoff, core_width),
        ),
        bonds={(0, 0): bond},
        functions=(tuple(functions),),
    )


def _bond(read: _Reader, l_max: int) -> tuple[Bond, float]:
    """Return the radial functions, and the spacing of their tables."""
    read.expect("radbasename=")
    family = read.word()
    if family not in ("ChebExpCos", "ChebPow"):
        raise read.error(f"radbasename must be ChebExpCos or ChebPow, got {family[:40]!r}")
    read.expect("nradbase=")
    n_base = read.integer(1, MAX_RADIAL)
    read.expect("nradmax=")
    n_radial = read.integer(0, MAX_RADIAL)
    read.expect("cutoffmax=")
    read.number()  # the largest of the cutoffs below
    read.expect("deltaSplineBins=")
    spline_step = read.number()
    read.expect("core repulsion parameters:")
    strength, decay = read.number(), read.number()
    values = []
    for label in ("radparameter=", "cutoff=", "dcut="):
        read.expect(label)
        values.append(read.number())
    read.expect("crad=")
    shape = (n_base, n_radial, l_max + 1)  # k, n, l: the last one is the fastest
    numbers = np.array([read.number() for _ in range(int(np.prod(shape)))])
    bond = Bond(
        coefficients=np.ascontiguousarray(numbers.reshape(shape).transpose(1, 2, 0)),
        family=family,
        parameters=(values[0],),
        cutoff=values[1],
        cutoff_width=values[2],
        inner_kind="density",
        core_strength=strength,
        core_decay=decay,
    )
    return bond, spline_step


def _function(read: _Reader, n_densities: int) -> Function:
    read.expect("ctilde_basis_func: rank=")
    rank = read.integer(1, MAX_RANK)
    read.expect("ndens=")
    read.integer(n_densities, n_densities)
    read.expect("mu0=")
    read.integer(0, 0)
    species = read.integers("mu=", rank, 0, 0)
    radial = read.integers("n=", rank, 1, MAX_RADIAL)
    angular = read.integers("l=", rank, 0, MAX_L)
    read.expect("num_ms=")
    components, coefficients = [], []
    for _ in range(read.integer(0, 10**7)):
        read.expect("<")
        components.append([read.integer(-MAX_L, MAX_L) for _ in range(rank)])
        read.expect(">:")
        coefficients.append([read.number() for _ in range(n_densities)])
    return Function(
        species=species,
        radial=radial,
        angular=angular,
        components=np.array(components, dtype=np.int64).reshape(-1, rank),
        coefficients=np.array(coefficients, dtype=np.float64).reshape(-1, n_densities),
    )
