"""
The directions in which tuning changes settings.

A direction moves one setting up or down by a step; settings in which it cannot move come back as
None. Those that keep the rows are cheap: weights and prior. The others need rows anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from linpot.basis.radial import RadialParameters
from linpot.basis.specification import DEGREE_OFFSETS
from linpot.workflow.defaults import TAPER_END, TAPER_START, Distances, default_radial
from linpot.workflow.settings import FitSettings

Move = Callable[[FitSettings, float, Distances], FitSettings | None]
BODY_ORDERS = (3, 6)
_MOST_TO_CHOOSE_FROM = 3  # times the functions that are kept
_CANDIDATES = (1, 4, 8)  # times the functions that are kept


@dataclass(frozen=True)
class Direction:
    """
    One setting that can be moved.

    Attributes
    ----------
    name : str
    holds : str
        Name under which it is held fixed: a field of `FitSettings`.
    needs_rows : bool
    move : callable
        From settings, signed step (1 is a full step up) and distances to settings, or None.
    show : callable
        From settings and distances to the value in words.
    whole : bool
        Whether only full steps make sense.
    first : float
        Sign of the step that is tried first.
    """

    name: str
    holds: str
    needs_rows: bool
    move: Move
    show: Callable[[FitSettings, Distances], str]
    whole: bool = False
    first: float = 1.0


def _cutoff(settings: FitSettings, step: float, distances: Distances) -> FitSettings:
    radial = _radial(settings, distances)
    factor = 1.1**step
    return replace(
        settings,
        cutoff={"-".join(p): round(radial[p].cutoff * factor, 3) for p in distances},
    )


def _decay(settings: FitSettings, step: float, distances: Distances) -> FitSettings:
    radial = _radial(settings, distances)
    factor = 2.0**step
    return replace(
        settings, decay={"-".join(p): round(radial[p].decay * factor, 4) for p in distances}
    )


def _taper(settings: FitSettings, step: float, distances: Distances) -> FitSettings | None:
    start, end = settings.taper or (TAPER_START, TAPER_END)
    start, end = round(start + 0.1 * step, 3), round(end + 0.1 * step, 3)
    if start < 0.3 or end > TAPER_END:  # folds do not see what a taper does among new structures
        return None
    return replace(settings, taper=(start, end))


def _body_order(settings: FitSettings, step: float, distances: Distances) -> FitSettings | None:
    order = settings.body_order + int(step)
    if not BODY_ORDERS[0] <= order <= BODY_ORDERS[1]:
        return None
    if len(settings.degree_offsets) < order - 1:
        return None
    return replace(settings, body_order=order)


def _offsets(settings: FitSettings, step: float, distances: Distances) -> FitSettings:
    """Give high body orders fewer functions, each order more so than the one below."""
    offsets = tuple(
        round(offset + step * max(k - 1, 0), 3) for k, offset in enumerate(settings.degree_offsets)
    )
    return replace(settings, degree_offsets=offsets)


def _pair_weight(settings: FitSettings, step: float, distances: Distances) -> FitSettings:
    return replace(settings, pair_weight=round(settings.pair_weight * 1.4**step, 4))


def _angular_weight(settings: FitSettings, step: float, distances: Distances) -> FitSettings:
    return replace(settings, angular_weight=round(settings.angular_weight * 1.2**step, 4))


def _energy_weight(settings: FitSettings, step: float, distances: Distances) -> FitSettings:
    weights = settings.weights
    return replace(settings, weights=replace(weights, energy=_rounded(weights.energy * 2.0**step)))


def _stress_weight(settings: FitSettings, step: float, distances: Distances) -> FitSettings:
    weights = settings.weights
    return replace(settings, weights=replace(weights, stress=_rounded(weights.stress * 2.0**step)))


def _strength(settings: FitSettings, step: float, distances: Distances) -> FitSettings:
    prior, factor = settings.prior, 2.0**step
    strength = prior.order_strength
    if isinstance(strength, tuple):
        new = tuple(_rounded(s * factor**k) for k, s in enumerate(strength))
        return replace(settings, prior=replace(prior, order_strength=new))
    return replace(settings, prior=replace(prior, order_strength=_rounded(strength * factor)))


def _smoothness(settings: FitSettings, step: float, distances: Distances) -> FitSettings | None:
    prior = settings.prior
    if prior.form != "algebraic":
        return replace(settings, prior=replace(prior, rate=_rounded(prior.rate * 1.5**step)))
    if prior.power + step < 0.5:
        return None
    return replace(settings, prior=replace(prior, power=_rounded(prior.power + step)))


def _angular_prior(settings: FitSettings, step: float, distances: Distances) -> FitSettings:
    prior = settings.prior
    return replace(settings, prior=replace(prior, angular=_rounded(prior.angular * 1.5**step)))


def _choose_from(settings: FitSettings, step: float, distances: Distances) -> FitSettings | None:
    """Choose out of so many times the functions that are kept; once them is no choice."""
    times = round(settings.columns_per_function) + int(step)
    if not 1 <= times <= _MOST_TO_CHOOSE_FROM:
        return None
    return replace(settings, choose_from=_times(settings, times))


def _candidates(settings: FitSettings, step: float, distances: Distances) -> FitSettings | None:
    """Take those that differ of so many times the functions that are kept."""
    own = settings.candidates_per_function
    nearest = min(_CANDIDATES, key=lambda times: abs(times - own))
    place = _CANDIDATES.index(nearest) + int(step)
    if not 0 <= place < len(_CANDIDATES):
        return None
    return replace(settings, candidates=_times(settings, _CANDIDATES[place]))


def _times(settings: FitSettings, times: int) -> int | dict[str, int] | None:
    """Return so many times the functions that are kept; None for once."""
    n = settings.n_functions
    many = {s: times * v for s, v in n.items()} if isinstance(n, Mapping) else times * n
    return None if times == 1 else many


DIRECTIONS = (
    Direction(
        "energy weight", "weights", False, _energy_weight, lambda s, _: f"{s.weights.energy:g}"
    ),
    Direction(
        "stress weight", "weights", False, _stress_weight, lambda s, _: f"{s.weights.stress:g}"
    ),
    Direction(
        "angular weight",
        "angular_weight",
        True,
        _angular_weight,
        lambda s, _: f"{s.angular_weight:g}",
        first=-1.0,
    ),
    Direction(
        "offsets of body orders",
        "degree_offsets",
        True,
        _offsets,
        lambda s, _: _in_words(s.degree_offsets),
    ),
    Direction(
        "candidates",
        "candidates",
        True,
        _candidates,
        lambda s, _: f"{s.candidates_per_function:.2g} times as many as are kept",
        whole=True,
    ),
    Direction(
        "cutoff",
        "cutoff",
        True,
        _cutoff,
        lambda s, d: _of_pairs(_radial(s, d), "cutoff") + " A",
        first=-1.0,
    ),
    Direction(
        "body order",
        "body_order",
        True,
        _body_order,
        lambda s, _: str(s.body_order),
        whole=True,
        first=-1.0,
    ),
    Direction("decay", "decay", True, _decay, lambda s, d: _of_pairs(_radial(s, d), "decay")),
    Direction(
        "taper",
        "taper",
        True,
        _taper,
        lambda s, _: _in_words(s.taper or (TAPER_START, TAPER_END)),
        first=-1.0,
    ),
    Direction("pair weight", "pair_weight", True, _pair_weight, lambda s, _: f"{s.pair_weight:g}"),
    Direction(
        "strength of high body orders",
        "prior",
        False,
        _strength,
        lambda s, _: _in_words(s.prior.order_strength),
    ),
    Direction(
        "smoothness of the prior",
        "prior",
        False,
        _smoothness,
        lambda s, _: f"{s.prior.power if s.prior.form == 'algebraic' else s.prior.rate:g}",
    ),
    Direction(
        "angular part of the prior",
        "prior",
        False,
        _angular_prior,
        lambda s, _: f"{s.prior.angular:g}",
        first=-1.0,
    ),
    Direction(
        "functions to choose from",
        "choose_from",
        True,
        _choose_from,
        lambda s, _: f"{s.columns_per_function:.2g} times as many as are kept",
        whole=True,
    ),
)
"""In the order in which they are tried: weights cost a second; the basis comes before the prior,
which else suits the first basis too well; a choice costs several trials and wants the prior."""


def extended(strengths: tuple[float, ...]) -> tuple[float, ...]:
    """Continue the strengths of body orders by their last ratio, so that orders may be added."""
    ratio = strengths[-1] / strengths[-2] if len(strengths) > 1 else strengths[-1]
    longer = list(strengths)
    while len(longer) < len(DEGREE_OFFSETS):
        longer.append(longer[-1] * min(ratio, 1.0))
    return tuple(_rounded(s) for s in longer)


def _radial(settings: FitSettings, distances: Distances) -> dict[tuple[str, str], RadialParameters]:
    return default_radial(distances, settings.cutoff, settings.decay, settings.taper)


def _of_pairs(radial: Mapping[tuple[str, str], RadialParameters], name: str) -> str:
    values = {getattr(parameters, name) for parameters in radial.values()}
    return " to ".join(f"{v:.4g}" for v in sorted({min(values), max(values)}))


def _in_words(values: float | tuple[float, ...]) -> str:
    if not isinstance(values, tuple):
        return f"{values:g}"
    return " ".join(f"{v:.3g}" for v in values)


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
