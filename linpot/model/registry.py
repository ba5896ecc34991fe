"""The registry by which files find the classes of their models."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol, TypeVar

from linpot.errors import FileFormatError


class _HasKind(Protocol):
    kind: ClassVar[str]


Model = TypeVar("Model", bound=_HasKind)

_CLASSES: dict[str, type[Any]] = {}


def register_model(cls: type[Model]) -> type[Model]:
    """Make a model class known under its `kind`."""
    if _CLASSES.setdefault(cls.kind, cls) is not cls:
        raise ValueError(f"two model classes claim the kind {cls.kind!r}")
    return cls


def class_of_kind(kind: str) -> type[Any]:
    """
    Return the class of `EnergyModel` registered for a kind.

    Raises
    ------
    FileFormatError
        If there is none.
    """
    if kind not in _CLASSES:
        raise FileFormatError(
            f"model kind {kind!r} is not known to this version (known: "
            f"{', '.join(sorted(_CLASSES))}); the file may need a newer linpot"
        )
    return _CLASSES[kind]
