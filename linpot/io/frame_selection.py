"""Which frames of a file are meant: ``"0:100"``, a number, a slice."""

from __future__ import annotations

from ase.io.formats import string2index

from linpot.errors import InputError

Index = str | int | slice


def frame_selection(index: Index) -> slice:
    """
    Return the frames that an index means.

    Raises
    ------
    InputError
        If it is malformed.
    """
    try:
        chosen = string2index(index) if isinstance(index, str) else index
        if isinstance(chosen, int) and not isinstance(chosen, bool):
            chosen = slice(chosen, chosen + 1 or None)
        if not isinstance(chosen, slice):
            raise TypeError("neither a number nor a range")
        chosen.indices(1)  # refuses steps of zero and ends that are no numbers
    except (TypeError, ValueError) as error:
        raise InputError(f"`index` must be like '0:100' or ':', got {index!r}") from error
    return chosen


def name_with_selection(name: str, index: Index) -> str:
    """Return the name of a file with what is selected of it."""
    # Structures are counted from 0 within the selection, so the selection belongs to the name.
    selection = frame_selection(index)
    if selection in (slice(None), slice(0, None), slice(None, None, 1)):
        return name
    ends = ["" if e is None else str(e) for e in (selection.start, selection.stop, selection.step)]
    return f"{name}@{':'.join(ends[: 3 if ends[2] else 2])}"
