"""Data from files to files: converted and mended, merged, split; one structure in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from linpot.curation.repair import Repair
from linpot.curation.splitting import assign_parts
from linpot.errors import InputError
from linpot.io.atomic import check_output, write_atomically
from linpot.io.datasets import stream_structures
from linpot.io.file_endings import PathLike
from linpot.io.structure_writing import format_by_name, write_structures
from linpot.structures.from_atoms import label_structure
from linpot.structures.labels import AUTOMATIC, NAMES, LabelKeys
from linpot.structures.structure import INITIAL_CHARGES, Structure

GROUP = "config_type"
_KEPT_RESULTS = ("free_energy", "dipole", "magmom", "magmoms", "charges")


@dataclass
class Rewritten:
    """
    What was written.

    Attributes
    ----------
    written : int
        Structures.
    changed : int
        Of these, whose labels or positions were changed.
    dropped : int
        Left out as asked.
    refused : list of (int, str)
        Left out because they cannot be used: place, and why.
    groups : Counter of str
        Of what was written.
    """

    written: int = 0
    changed: int = 0
    dropped: int = 0
    refused: list[tuple[int, str]] = field(default_factory=list)
    groups: Counter[str] = field(default_factory=Counter)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "written": self.written,
            "changed": self.changed,
            "dropped": self.dropped,
            "refused": [{"structure": place, "reason": why} for place, why in self.refused],
            "groups": dict(self.groups),
        }


def convert_data(
    source: PathLike,
    output: PathLike,
    *,
    repair: Repair | None = None,
    keys: LabelKeys = AUTOMATIC,
    group_key: str = GROUP,
    elements: Sequence[str] | None = None,
    keep: Collection[int] | None = None,
    drop: Collection[int] = (),
    skip_refused: bool = False,
    trust_pickle: bool = False,
    overwrite: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Rewritten:
    """
    Write the structures of a file to another one, in any format, mended if need be.

    Labels become results of a calculator, whatever they were called; everything else in `info`
    and `arrays` stays.

    Parameters
    ----------
    source, output : path
        The ending of the output tells its format.
    repair : Repair, optional
    keys : LabelKeys
    group_key : str
        Written as ``config_type``.
    elements : sequence of str, optional
        See `read_dataset`.
    keep : collection of int, optional
        Places from 0 of what is written; all if not given.
    drop : collection of int
        Places that are left out.
    skip_refused : bool
        Leave out what a fit would refuse, instead of stopping there.
    trust_pickle : bool
        See `stream_structures`.
    overwrite : bool
    progress : callable, optional
        Called with the number of structures done.

    Returns
    -------
    Rewritten

    Raises
    ------
    InputError
        If a file cannot be read or written, a structure cannot be used, nothing is left, or a
        group or place that is named is not there.
    """
    repair = repair or Repair()
    result = Rewritten()
    seen: Counter[str] = Counter()
    last = -1

    def images() -> Iterator[Atoms]:
        nonlocal last
        for place, atoms in enumerate(
            stream_structures(source, elements=elements, trust_pickle=trust_pickle)
        ):
            last = place
            if progress is not None:
                progress(place + 1)
            if place in drop or (keep is not None and place not in keep):
                result.dropped += 1
                continue
            try:
                structure = _labelled(atoms, place, str(source), keys, group_key)
            except InputError as error:
                if not skip_refused:
                    raise InputError(f"{error} (--skip-refused leaves it out)") from error
                result.refused.append((place, str(error)))
                continue
            seen[structure.group] += 1
            if repair.concerns(structure, place):
                structure = repair.apply(structure)
                result.changed += not repair.changes_nothing
            result.groups[structure.group] += 1
            result.written += 1
            yield as_atoms(atoms, structure, keys, group_key)
        places = {"structures": repair.structures or (), "keep": keep or (), "drop": drop}
        _refuse_unknown(repair.groups, places, seen, last)

    write_structures(output, images(), overwrite=overwrite)
    return result


def merge_data(
    sources: Sequence[tuple[str | None, PathLike]],
    output: PathLike,
    *,
    keys: LabelKeys = AUTOMATIC,
    group_key: str = GROUP,
    elements: Sequence[str] | None = None,
    keep_groups: bool = False,
    overwrite: bool = False,
) -> Rewritten:
    """
    Write several files to one.

    Parameters
    ----------
    sources : sequence of (name or None, path)
        The name becomes the group of the file's structures; None keeps their groups.
    output : path
    keys : LabelKeys
    group_key : str
    elements : sequence of str, optional
        See `read_dataset`.
    keep_groups : bool
        Groups become "name/group" where a name is given.
    overwrite : bool

    Returns
    -------
    Rewritten

    Raises
    ------
    InputError
        See `convert_data`.
    """
    if not sources:
        raise InputError("there must be at least one file to merge, got none")
    result = Rewritten()

    def images() -> Iterator[Atoms]:
        for name, path in sources:
            for place, atoms in enumerate(stream_structures(path, elements=elements)):
                structure = _labelled(atoms, place, str(path), keys, group_key)
                if name is not None:
                    old = structure.group
                    both = keep_groups and group_key in atoms.info
                    structure = replace(structure, group=f"{name}/{old}" if both else name)
                result.groups[structure.group] += 1
                result.written += 1
                named = name is not None or group_key in atoms.info
                yield as_atoms(atoms, structure, keys, group_key, named=named)

    write_structures(output, images(), overwrite=overwrite)
    return result


def split_data(
    source: PathLike,
    parts: Mapping[str, float],
    outputs: Mapping[str, PathLike],
    *,
    by: str = "random",
    group_key: str = GROUP,
    block: int | None = None,
    seed: int = 0,
    overwrite: bool = False,
) -> dict[str, int]:
    """
    Write the structures of a file to several, all or none of them.

    Parameters
    ----------
    source : path
    parts : mapping of str to float
        Name to share; shares sum to 1.
    outputs : mapping of str to path
        Of each part.
    by, block, seed
        See `assign_parts`.
    group_key : str
        Key of `info`.
    overwrite : bool

    Returns
    -------
    dict of str to int
        Structures of each part.

    Raises
    ------
    InputError
        If shares are wrong, a part would be empty, or a file cannot be read or written.
    """
    groups = [str(atoms.info.get(group_key, "all")) for atoms in stream_structures(source)]
    part_of = assign_parts(groups, parts, by=by, block=block, seed=seed)
    for path in outputs.values():
        check_output(path, overwrite=overwrite)

    def images(name: str) -> Iterator[Atoms]:
        for part, atoms in zip(part_of, stream_structures(source), strict=True):
            if part == name:
                yield atoms

    jobs = [(outputs[name], format_by_name(outputs[name]), images(name)) for name in parts]
    _write_together(jobs, overwrite=overwrite)
    return dict(Counter(part_of))


def as_atoms(
    atoms: Atoms,
    structure: Structure,
    keys: LabelKeys = AUTOMATIC,
    group_key: str = GROUP,
    *,
    named: bool | None = None,
) -> Atoms:
    """
    Return atoms with the labels of a structure as results, and what else the atoms carry.

    Parameters
    ----------
    atoms : ase.Atoms
        Not modified.
    structure : Structure
        Made from them.
    keys : LabelKeys
        Where labels were; these and all names of labels are removed.
    group_key : str
    named : bool, optional
        Whether the group is written; if not given, where the atoms have one.

    Returns
    -------
    ase.Atoms
    """
    made = atoms.copy()
    names = {name for own in NAMES.values() for name in own}
    own_keys = set(keys.named.values())
    for holder in (made.info, made.arrays):
        for key in list(holder):
            plain = str(key).lower().replace("-", "_")
            if key in own_keys or (plain in names and key not in ("numbers", "positions")):
                del holder[key]
    made.set_cell(structure.cell)
    made.positions = structure.positions
    if group_key in atoms.info if named is None else named:
        made.info.pop(group_key, None)
        made.info[GROUP] = structure.group
    labels = structure.labels
    old = getattr(atoms.calc, "results", None) or {}
    results = {key: old[key] for key in _KEPT_RESULTS if old.get(key) is not None}
    if labels.energy is None or labels.energy != old.get("energy"):
        results.pop("free_energy", None)  # it belongs to the energy that is no longer there
    results |= {name: getattr(labels, name) for name in labels.present}
    made.calc = SinglePointCalculator(made, **results) if results else None
    return made


def _labelled(atoms: Atoms, place: int, source: str, keys: LabelKeys, group_key: str) -> Structure:
    structure, _ = label_structure(
        atoms, place, Path(source).name, keys, group_key, "weight", INITIAL_CHARGES
    )
    return structure


def _refuse_unknown(
    groups: Collection[str],
    places: Mapping[str, Collection[int]],
    seen: Counter[str],
    last: int,
) -> None:
    for group in groups:
        if group not in seen:
            raise InputError(
                f"`groups` must be groups of the data ({', '.join(seen) or 'none'}), got {group!r}"
            )
    for name, named in places.items():
        beyond = [place for place in named if not 0 <= place <= last]
        if beyond:
            raise InputError(f"`{name}` must be places from 0 to {last}, got {min(beyond)}")


def _write_together(
    jobs: Sequence[tuple[PathLike, str, Iterable[Atoms]]], *, overwrite: bool
) -> None:
    """Write files one inside the other, so that none appears before all are complete."""
    if not jobs:
        return
    (path, kind, images), *others = jobs

    def write(temporary: Path) -> None:
        write_structures(temporary, images, format=kind, overwrite=True)
        _write_together(others, overwrite=overwrite)

    write_atomically(path, write, overwrite=overwrite)
