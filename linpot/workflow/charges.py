"""Charges in a fit: found first, then part of what is subtracted from the labels."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from linpot.charges.catalogue import parse_charges
from linpot.charges.training import ChargeRung, Training
from linpot.errors import InputError
from linpot.structures.dataset import Dataset
from linpot.structures.structure import Structure
from linpot.validation.compression import compressed, trimers
from linpot.workflow.joint_energies import rule_of
from linpot.workflow.plan import FitPlan
from linpot.workflow.settings import FitSettings

PUSHED = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)
"""Scales of three atoms at the shortest distances of their pairs."""


class Stages(Protocol):
    """Who hears of the beginning of a stage, and of steps of it; see `Monitor`."""

    def stage(self, name: str, total: int) -> None:
        """Begin a stage of so many steps."""

    def advance(self, done: int) -> None:
        """Say how many steps are done."""


def add_charges(plan: FitPlan, train: Dataset, settings: FitSettings, monitor: Stages) -> FitPlan:
    """
    Train the charges that the settings ask for, and add them to the baseline of a plan.

    Parameters
    ----------
    plan : FitPlan
    train : Dataset
    settings : FitSettings
    monitor : Monitor

    Returns
    -------
    FitPlan
        The same where no charges are asked for.

    Raises
    ------
    InputError
        If the data lack what the rung needs, or the baseline has charges already.
    """
    charges = parse_charges(settings.charges)
    if charges is None:
        return plan
    if plan.baseline is not None and plan.baseline.has_charges:
        raise InputError(
            "`charges` and a baseline with charges would count them twice; leave one of them out"
        )
    model = charges
    if isinstance(charges, ChargeRung):
        monitor.stage(f"charges ({charges.name})", 1)
        model = charges.train(
            Training(
                train,
                plan.basis,
                plan.baseline,
                rule_of(settings),
                settings.weights,
                settings.prior,
                _unseen(plan),
                settings.threads,
            )
        )
        monitor.advance(1)
    assert not isinstance(model, ChargeRung)
    missing = [s for s in plan.basis.elements if s not in model.elements]
    if missing:
        raise InputError(
            f"`charges` must know every element of the data; {model.kind} does not know "
            f"{missing[0]!r}"
        )
    return replace(plan, baseline=model if plan.baseline is None else plan.baseline + model)


def _unseen(plan: FitPlan) -> list[Structure]:
    """Return dense environments, and three atoms that are pushed together as walls will be."""
    if plan.restraints is None:
        return []
    shortest = {pair: seen.shortest for pair, seen in plan.distances.items()}
    pushed = [compressed(s, scale) for s in trimers(shortest) for scale in PUSHED]
    return [*plan.restraints.dense, *pushed]


def refuse_charges(settings: FitSettings, task: str) -> None:
    """
    Refuse settings whose charges would have to be trained again and again.

    Raises
    ------
    InputError
        If `settings.charges` names a rung; charges found before are a baseline.
    """
    if parse_charges(settings.charges) is not None:
        raise InputError(
            f"`charges` cannot be part of {task}; leave them out there, or pass charges found "
            "before as a term of `baseline`"
        )
