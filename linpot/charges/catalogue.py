"""The rungs by name, and how a user writes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from linpot.charges.equilibrated_rungs import EquilibratedRung, SelfConsistentRung
from linpot.charges.local_rungs import LatentRung, LocalRung
from linpot.charges.lode import LodeRung
from linpot.charges.training import ChargeRung
from linpot.errors import InputError
from linpot.model.protocol import EnergyModel

_RUNGS = (LocalRung, EquilibratedRung, SelfConsistentRung, LatentRung, LodeRung)
RUNGS: dict[str, type[ChargeRung]] = {rung.name: rung for rung in _RUNGS}

NONE = "none"

Charges = str | Mapping[str, Any] | ChargeRung | EnergyModel | None
"""A name, ``"local:width=0.8"``, ``{"local": {"width": 0.8}}``, a rung, or charges found before."""


def parse_charges(charges: Charges) -> ChargeRung | EnergyModel | None:
    """
    Read what a user writes.

    Parameters
    ----------
    charges : str, mapping, ChargeRung, EnergyModel or None
        Text is ``name`` or ``name:setting=value,setting=value``; a table of a TOML file has the
        name as its only key, and the settings as value (or true).

    Returns
    -------
    ChargeRung, EnergyModel or None

    Raises
    ------
    InputError
        If the rung or a setting is not known, or a value is not what the setting takes.
    """
    if charges is None or charges == NONE:
        return None
    if isinstance(charges, ChargeRung | EnergyModel):
        return charges
    if isinstance(charges, str):
        name, _, rest = charges.partition(":")
        return _rung(name.strip(), _settings_of(rest, charges), charges)
    if isinstance(charges, Mapping) and len(charges) == 1:
        ((name, settings),) = charges.items()
        if settings is True:
            settings = {}
        if isinstance(settings, Mapping):
            return _rung(str(name), dict(settings), charges)
    raise InputError(
        f"`charges` must be one of {', '.join((*RUNGS, NONE))}, with settings like "
        f"'local:width=0.8', got {charges!r}"
    )


def _rung(name: str, settings: Mapping[str, Any], written: Any) -> ChargeRung:
    if name not in RUNGS:
        raise InputError(
            f"`charges` must be one of {', '.join((*RUNGS, NONE))}, got {written!r}; fixed charges "
            "are a baseline, 'coulomb:Na=1,Cl=-1'"
        )
    known = {f.name: str(f.type) for f in fields(RUNGS[name])}  # type: ignore[arg-type]
    values = {}
    for key, value in settings.items():
        if key not in known:
            raise InputError(f"`charges` {name!r} has the settings {', '.join(known)}, got {key!r}")
        values[key] = _value(f"charges.{key}", value, known[key])
    return RUNGS[name](**values)


def _settings_of(text: str, written: str) -> dict[str, str]:
    settings: dict[str, str] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        key, equals, value = (part.strip() for part in entry.partition("="))
        if not equals or not key or not value or key in settings:
            raise InputError(
                f"`charges` must be like 'local:n_functions=200,width=0.8', got {written!r}"
            )
        settings[key] = value
    return settings


def _value(name: str, value: Any, kind: str) -> Any:
    """Return a value as the type that the field is declared with."""
    if "bool" in kind:
        if str(value).lower() in ("true", "false"):
            return str(value).lower() == "true"
        raise InputError(f"`{name}` must be true or false, got {value!r}")
    if isinstance(value, bool):
        raise InputError(f"`{name}` must be a number, got {value!r}")
    try:
        if "int" in kind and "float" not in kind:
            return int(value)
        return float(value) if "float" in kind else value
    except (TypeError, ValueError):
        raise InputError(f"`{name}` must be a number, got {value!r}") from None
