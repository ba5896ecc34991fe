"""
Structures in a temporary file: data sets larger than memory.

Structures stay in memory up to a bound; beyond it all of them move into one file without a name,
which vanishes with the last reader. Any of them can then be read by its place.
"""

from __future__ import annotations

import os
import struct
import tempfile
import weakref
from collections.abc import Iterable
from functools import partial
from typing import IO

import numpy as np
from numpy.typing import NDArray

from linpot.errors import InputError
from linpot.structures.sequences import LazyStructures, structure_bytes
from linpot.structures.structure import Labels, Structure

_HEAD = struct.Struct("<qqqqdd")  # atoms, flags, bytes of group and name, weight, energy
# flags; 1, 2 and 4 are the periodic directions
_ENERGY, _FORCES, _STRESS, _CHARGES, _TOTAL = 8, 16, 32, 64, 128
_LABEL_CHARGES, _DIPOLE = 256, 512


class StructureFile(LazyStructures):
    """
    Structures in a temporary file.

    Parameters
    ----------
    structures : iterable of Structure

    Raises
    ------
    InputError
        If the file cannot be written.
    """

    def __init__(self, structures: Iterable[Structure]) -> None:
        offsets = [0]
        try:
            self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - open while it is used
            for structure in structures:
                offsets.append(offsets[-1] + self._file.write(_packed(structure)))
            self._file.flush()
        except OSError as error:
            raise InputError(
                f"cannot keep structures in a temporary file in '{tempfile.gettempdir()}': "
                f"{error.strerror or error}; set TMPDIR to a folder with room, or let more of "
                "them stay in memory (`structure_memory`)"
            ) from error
        self._offsets: NDArray[np.int64] = np.array(offsets, dtype=np.int64)
        weakref.finalize(self, self._file.close)
        # what reads must not refer to what is read: the file closes with the last reference
        super().__init__(partial(_read, self._file.fileno(), self._offsets), len(offsets) - 1)

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return int(self._offsets[-1])


def hold_structures(
    structures: Iterable[Structure], memory: float
) -> tuple[Structure, ...] | StructureFile:
    """
    Hold structures in memory, or in a temporary file if they take more than a bound.

    Parameters
    ----------
    structures : iterable of Structure
        Taken one after the other.
    memory : float, GB

    Returns
    -------
    tuple of Structure, or StructureFile

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    held: list[Structure] = []
    total = 0
    remaining = iter(structures)
    for structure in remaining:
        held.append(structure)
        total += structure_bytes(structure)
        if total > memory * 1e9:
            return StructureFile(_drained(held, remaining))
    return tuple(held)


def _read(file: int, offsets: NDArray[np.int64], place: int) -> Structure:
    first, last = (int(offset) for offset in offsets[place : place + 2])
    content = bytearray(last - first)
    if os.preadv(file, [content], first) != len(content):
        raise InputError("the temporary file of structures was cut short; start again")
    return _unpacked(content)


def _drained(held: list[Structure], remaining: Iterable[Structure]) -> Iterable[Structure]:
    """Yield what is held, letting go of it, and then the rest."""
    held.reverse()
    while held:
        yield held.pop()
    yield from remaining


def _packed(structure: Structure) -> bytes:
    """Numbers of eight bytes first, so that they lie aligned when they are read."""
    labels = structure.labels
    flags = sum(1 << k for k, periodic in enumerate(structure.pbc) if periodic)
    flags += _ENERGY * (labels.energy is not None)
    flags += _FORCES * (labels.forces is not None) + _STRESS * (labels.stress is not None)
    flags += _CHARGES * (structure.charges is not None)
    flags += _TOTAL * (structure.total_charge is not None)
    flags += _LABEL_CHARGES * (labels.charges is not None) + _DIPOLE * (labels.dipole is not None)
    group, name = structure.group.encode(), structure.name.encode()
    head = _HEAD.pack(
        structure.n_atoms, flags, len(group), len(name), structure.weight, labels.energy or 0.0
    )
    arrays = (
        structure.positions,
        structure.cell,
        labels.forces,
        labels.stress,
        structure.charges,
        structure.total_charge,
        labels.charges,
        labels.dipole,
    )
    reals = [np.asarray(array, dtype="<f8").tobytes() for array in arrays if array is not None]
    return b"".join([head, *reals, structure.numbers.astype(np.uint8).tobytes(), group, name])


def _unpacked(content: bytearray) -> Structure:
    n_atoms, flags, group, name, weight, energy = _HEAD.unpack_from(content)
    at = _HEAD.size

    def reals(*shape: int) -> NDArray[np.float64]:
        nonlocal at
        n = int(np.prod(shape))
        array = np.frombuffer(content, dtype="<f8", count=n, offset=at).reshape(shape)
        at += 8 * n
        return array

    positions, cell = reals(n_atoms, 3), reals(3, 3)
    forces = reals(n_atoms, 3) if flags & _FORCES else None
    stress = reals(6) if flags & _STRESS else None
    charges = reals(n_atoms) if flags & _CHARGES else None
    total = float(reals(1)[0]) if flags & _TOTAL else None
    label_charges = reals(n_atoms) if flags & _LABEL_CHARGES else None
    dipole = reals(3) if flags & _DIPOLE else None
    numbers = np.frombuffer(content, dtype=np.uint8, count=n_atoms, offset=at).astype(np.int64)
    at += n_atoms
    return Structure(
        numbers,
        positions,
        cell,
        (bool(flags & 1), bool(flags & 2), bool(flags & 4)),
        labels=Labels(energy if flags & _ENERGY else None, forces, stress, label_charges, dipole),
        group=content[at : at + group].decode(),
        weight=weight,
        name=content[at + group : at + group + name].decode(),
        charges=charges,
        total_charge=total,
    )
