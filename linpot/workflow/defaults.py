"""What is chosen from the data when the user says nothing."""

from __future__ import annotations

from collections.abc import Mapping

from linpot import checks
from linpot.baselines.zbl import ZBL
from linpot.basis.radial import RadialParameters
from linpot.basis.specification import pair_name
from linpot.errors import InputError
from linpot.structures.distances import PairDistances

Pair = tuple[str, str]
Distances = Mapping[Pair, PairDistances]
Override = float | Mapping[str, float] | None

# Found by cross-validation on the training data of four elements; see docs/decisions.md
CUTOFF = 5.25  # A
CUTOFF_PER_TYPICAL_DISTANCE = 1.9  # for atoms so large that CUTOFF would miss the second shell
DECAY = 0.5
TAPER_START, TAPER_END = 0.75, 0.95  # of the shortest distance seen
ZBL_START, ZBL_CUTOFF = 0.8, 2.0  # of the shortest distance seen
DIGITS = 6  # of lengths in A that people read again in input files of LAMMPS


def default_radial(
    distances: Distances,
    cutoff: Override = None,
    decay: Override = None,
    taper: tuple[float, float] | None = None,
) -> dict[Pair, RadialParameters]:
    """
    Choose the radial functions of every pair.

    Parameters
    ----------
    distances : mapping of pair to PairDistances
    cutoff : float or mapping of "A-B" to float, optional, A
        Overrides the choice, for all pairs or for those named.
    decay : float or mapping of "A-B" to float, optional
        The same for the transform of distances.
    taper : (float, float), optional
        Where the learned part begins and is whole, in units of the shortest distance.

    Returns
    -------
    dict of pair to RadialParameters

    Raises
    ------
    InputError
        If a cutoff is not positive, lies inside the taper, or names an unknown pair.
    """
    cutoffs = _overrides(distances, "cutoff", cutoff, "length in A")
    decays = _overrides(distances, "decay", decay, "number")
    taper_start, taper_end = taper or (TAPER_START, TAPER_END)
    radial = {}
    for pair, seen in distances.items():
        chosen = cutoffs.get(pair)
        if chosen is None:
            chosen = round(max(CUTOFF, CUTOFF_PER_TYPICAL_DISTANCE * seen.typical), 2)
        end = taper_end * seen.shortest
        if chosen <= 1.2 * end:
            raise InputError(
                f"`cutoff` of {'-'.join(pair)} must be well above the shortest distance "
                f"({seen.shortest:.2f} A), got {chosen}"
            )
        radial[pair] = RadialParameters(
            chosen, decays.get(pair, DECAY), taper_start * seen.shortest, end
        )
    return radial


def default_zbl(distances: Distances, elements: tuple[str, ...]) -> ZBL:
    """
    Choose a repulsion that rules below the shortest distances and fades out over the data.

    Parameters
    ----------
    distances : mapping of pair to PairDistances
    elements : tuple of str

    Returns
    -------
    ZBL
    """
    return ZBL(
        elements,
        {pair: round(ZBL_START * seen.shortest, DIGITS) for pair, seen in distances.items()},
        {pair: round(ZBL_CUTOFF * seen.shortest, DIGITS) for pair, seen in distances.items()},
    )


def _overrides(distances: Distances, name: str, given: Override, unit: str) -> dict[Pair, float]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        return dict.fromkeys(distances, checks.positive(name, given, unit))
    overrides = {}
    for label, value in given.items():
        symbols = label.split("-")
        known = len(symbols) == 2 and all(any(s in pair for pair in distances) for s in symbols)
        if not known:
            raise InputError(f"`{name}` must name pairs like 'Si-O' of the data, got {label!r}")
        overrides[pair_name(*symbols)] = checks.positive(f"{name}[{label!r}]", value, unit)
    return overrides
