"""Choosing structures from a pool that need not fit into memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Protocol

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from linpot import checks
from linpot.basis.basis import Basis
from linpot.basis.families import build_basis
from linpot.basis.specification import symbols_of
from linpot.errors import InputError
from linpot.io.datasets import stream_structures
from linpot.model.feature_engine import FeatureEngine
from linpot.model.protocol import EnergyModel
from linpot.model.sum import learned_part
from linpot.parallel import one_blas_thread
from linpot.selection.d_optimal import AtomInformation, EnergyInformation, nothing_known
from linpot.selection.farthest_point import FarthestPoint
from linpot.selection.greedy import Criterion, Found, choose
from linpot.selection.leverage import LeverageSampling
from linpot.selection.row_stream import CHUNK, RowStream, Survey
from linpot.structures.distances import survey_distances
from linpot.structures.structure import Structure, structure_from_atoms
from linpot.uncertainty.extrapolation import ActiveSet
from linpot.workflow.plan import specify_basis
from linpot.workflow.settings import FitSettings

Floats = NDArray[np.float64]
Path = str | os.PathLike[str]
Pool = Path | Sequence[Path] | Iterable[Atoms] | Iterable[Structure]
"""Files, which are read anew in every pass, or structures that can be gone over again."""

METHODS = ("d-optimal", "d-optimal-atoms", "fps", "cur")
RESPONSIBLE = 0.5
"""An atom is responsible for a choice if it is at least so new, in units of the newest one ..."""
MOST_RESPONSIBLE = 10
"""... and is among this many."""


class Progress(Protocol):
    """Hears of the stages of a choice; a `Monitor` does."""

    def stage(self, name: str, total: int) -> None:
        """Hear that a stage begins; a total of 0 is one that is not known."""

    def advance(self, done: int) -> None:
        """Hear how many steps of the stage are done."""


@dataclass(frozen=True)
class Chosen:
    """
    A structure of the pool, and why it was chosen.

    Attributes
    ----------
    index : int
        In the pool; over all its files.
    name : str
    gain : float
        What it adds to those before it: growth of the logarithm of the determinant (d-optimal),
        distance (fps); its leverage (cur).
    novelty : float64[n_atoms]
        How new each atom is: its squared whitened row (d-optimal), distance (fps) or leverage
        (cur), before the structure was added.
    atoms : tuple of int
        The atoms responsible, the newest first.
    grades : float64[n_atoms] or None
        Extrapolation grades, where the potential has an active set.
    """

    index: int
    name: str
    gain: float
    novelty: Floats = field(repr=False)
    atoms: tuple[int, ...]
    grades: Floats | None = field(repr=False)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        own = {
            "index": self.index,
            "name": self.name,
            "gain": self.gain,
            "atoms": list(self.atoms),
            "novelty": [float(self.novelty[i]) for i in self.atoms],
        }
        if self.grades is not None:
            own["grades"] = [float(self.grades[i]) for i in self.atoms]
            own["largest_grade"] = float(self.grades.max())
        return own


@dataclass(frozen=True)
class Selection:
    """
    Structures chosen from a pool.

    Attributes
    ----------
    method : str
    seed : int
    chosen : tuple of Chosen
        In the order of choice.
    n_structures, n_atoms : int
        Of the pool.
    n_passes : int
        How often the pool was read.
    largest_memory : int
        Bytes of features that were held at most.
    known : str
        What the choice goes beyond: "active set" or "nothing".
    """

    method: str
    seed: int
    chosen: tuple[Chosen, ...]
    n_structures: int
    n_atoms: int
    n_passes: int
    largest_memory: int
    known: str

    @property
    def indices(self) -> list[int]:
        """Where the chosen structures are in the pool, in the order of choice."""
        return [one.index for one in self.chosen]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "method": self.method,
            "seed": self.seed,
            "known": self.known,
            "n_structures": self.n_structures,
            "n_atoms": self.n_atoms,
            "n_passes": self.n_passes,
            "chosen": [one.as_dict() for one in self.chosen],
        }

    def pick(self, pool: Path | Sequence[Path] | Iterable[Atoms]) -> list[Atoms]:
        """
        Return copies of the chosen structures with what is known of their choice.

        ``info`` gets `selection_rank`, `selection_index`, `selection_gain` and `selection_atoms`,
        ``arrays`` get `selection_novelty` and, where there are grades, `extrapolation_grade`.

        Parameters
        ----------
        pool : path, paths or Atoms
            The same that was chosen from.

        Returns
        -------
        list of ase.Atoms
            In the order of choice.

        Raises
        ------
        InputError
            If the pool is another one.
        """
        ranks = {one.index: rank for rank, one in enumerate(self.chosen)}
        picked: dict[int, Atoms] = {}
        for index, atoms in enumerate(_images(pool)):
            if index in ranks:
                one = self.chosen[ranks[index]]
                if not isinstance(atoms, Atoms):
                    raise InputError(
                        f"`pool` must be files or ase.Atoms, got {type(atoms).__name__}; of a data "
                        "set take `data.subset(selection.indices)`"
                    )
                if len(atoms) != len(one.novelty):
                    raise InputError(
                        f"`pool` must be the one that was chosen from, got {len(atoms)} instead of "
                        f"{len(one.novelty)} atoms in structure {index}"
                    )
                picked[index] = _described(atoms, ranks[index], one)
        if len(picked) < len(ranks):
            raise InputError("`pool` must be the one that was chosen from, got fewer structures")
        return [picked[index] for index in self.indices]


def select(
    potential: EnergyModel | Basis,
    pool: Pool,
    n: int,
    *,
    method: str = "d-optimal",
    seed: int = 0,
    threads: int = 1,
    memory_limit: float = 4.0,
    progress: Progress | None = None,
) -> Selection:
    """
    Choose the structures of a pool that say most; labels are not needed.

    Parameters
    ----------
    potential : EnergyModel or Basis
        Whose features describe atoms. Where it has an active set, the choice goes beyond that.
    pool : path, paths, Atoms or Structures
        Files are read anew in every pass.
    n : int
        How many to choose.
    method : {"d-optimal", "d-optimal-atoms", "fps", "cur"}
        Information from energies of structures or of atoms, farthest points, or a draw by
        leverage. "cur" looks at the pool alone.
    seed : int
        Of the draw of "cur"; the others have nothing random.
    threads : int
        Results do not depend on it.
    memory_limit : float, GB
        Of features and matrices; results do not depend on it. Pools that do not fit are read
        several times.
    progress : Progress, optional

    Returns
    -------
    Selection

    Raises
    ------
    InputError
        If the pool has fewer structures, one twice, or elements that the basis does not know.
    """
    checks.integer("n", n, low=1)
    checks.integer("seed", seed, low=0)
    checks.one_of("method", method, METHODS)
    engine, active = _basis_of(potential)
    stream = RowStream(
        engine, structures_of(pool), budget=_budget(engine, memory_limit), threads=threads
    )
    with one_blas_thread():
        if progress is not None:
            progress.stage("pool", 0)
        survey = stream.survey(progress.advance if progress is not None else None)
        if survey.n_structures < n:
            raise InputError(
                f"`n` must be at most the number of structures in the pool, {survey.n_structures}, "
                f"got {n}"
            )
        beyond = None if method == "cur" else active
        criterion = _criterion(method, survey, beyond, n, seed)
        if progress is not None:
            progress.stage("choice", n)
        found = choose(stream, criterion, n, progress=progress.advance if progress else None)
    grades = _grades(found, pool, engine, active, threads)
    return Selection(
        method,
        seed,
        tuple(_chosen(one, grades.get(one.index)) for one in found),
        survey.n_structures,
        int(survey.n_atoms.sum()),
        stream.n_passes,
        stream.largest,
        "nothing" if beyond is None else "active set",
    )


def basis_for_pool(pool: Pool, settings: FitSettings | None = None) -> Basis:
    """
    Return the basis that a fit to a pool would have, in two passes.

    Parameters
    ----------
    pool : path, paths, Atoms or Structures
    settings : FitSettings, optional

    Returns
    -------
    Basis
    """
    structures = structures_of(pool)
    numbers: set[int] = set()
    for structure in structures():
        numbers.update(np.unique(structure.numbers).tolist())
    if not numbers:
        raise InputError("`pool` must hold at least one structure, got none")
    elements = symbols_of(sorted(numbers))
    distances = survey_distances(structures(), elements)
    return build_basis(specify_basis(distances, settings or FitSettings(), elements))


def structures_of(pool: Pool) -> Callable[[], Iterator[Structure]]:
    """
    Return what begins a new pass over a pool.

    Raises
    ------
    InputError
        If it can be gone over only once.
    """
    if isinstance(pool, Iterator):
        raise InputError(
            "`pool` must be files or a sequence, which can be gone over again, got "
            f"{type(pool).__name__}; make a list of it"
        )

    def begin() -> Iterator[Structure]:
        for index, one in enumerate(_images(pool)):
            if isinstance(one, Structure):
                yield one
            else:
                yield structure_from_atoms(one, name=f"structure {index} of the pool")

    return begin


def _images(pool: Any) -> Iterator[Any]:
    paths = [pool] if isinstance(pool, str | os.PathLike) else pool
    if isinstance(paths, Sequence) and len(paths) and isinstance(paths[0], str | os.PathLike):
        return chain.from_iterable(map(stream_structures, paths))
    return iter(pool)


def _basis_of(potential: EnergyModel | Basis) -> tuple[FeatureEngine, ActiveSet | None]:
    if isinstance(potential, Basis):
        return FeatureEngine(potential), None
    learned = learned_part(potential)
    return learned.engine, ActiveSet.of(learned) if ActiveSet.is_in(learned) else None


def _budget(engine: FeatureEngine, memory_limit: float) -> int:
    """Bytes left for rows beside matrices of all features and one chunk."""
    counts = [p.n_features for p in engine.basis.programs]
    fixed = 8 * (4 * sum(n * n for n in counts) + 3 * CHUNK * max(counts))
    left = checks.positive("memory_limit", memory_limit, "number of GB") * 1e9 - fixed
    if left <= 0:
        raise InputError(
            f"`memory_limit` must be above {fixed / 1e9:.3g} GB for {max(counts)} functions, "
            f"got {memory_limit}"
        )
    return int(left)


def _criterion(
    method: str, survey: Survey, active: ActiveSet | None, n: int, seed: int
) -> Criterion:
    if method == "cur":
        return LeverageSampling(survey.grams, n, seed)
    if method in ("d-optimal", "d-optimal-atoms"):
        rows = nothing_known(survey.sizes) if active is None else active.rows
        return EnergyInformation(rows) if method == "d-optimal" else AtomInformation(rows)
    means = [
        total / max(int(count), 1) for total, count in zip(survey.sums, survey.n_atoms, strict=True)
    ]
    known = [np.empty((0, len(mean))) for mean in means]
    if active is not None:
        known = [
            rows[sources[:, 0] >= 0]
            for rows, sources in zip(active.rows, active.sources, strict=True)
        ]
    return FarthestPoint(survey.sizes, means, known)


def _grades(
    found: list[Found], pool: Pool, engine: FeatureEngine, active: ActiveSet | None, threads: int
) -> dict[int, Floats]:
    """Extrapolation grades of the chosen structures, in one more pass."""
    if active is None:
        return {}
    wanted = {one.index for one in found}
    return {
        index: active.grades(engine, structure, threads=threads)
        for index, structure in enumerate(structures_of(pool)())
        if index in wanted
    }


def _chosen(found: Found, grades: Floats | None) -> Chosen:
    order = np.argsort(-found.novelty, kind="stable")[:MOST_RESPONSIBLE]
    least = RESPONSIBLE * found.novelty[order[0]]
    atoms = tuple(int(i) for i in order if found.novelty[i] >= least)
    return Chosen(found.index, found.name, found.gain, found.novelty, atoms, grades)


def _described(atoms: Atoms, rank: int, one: Chosen) -> Atoms:
    picked = atoms.copy()
    picked.calc = atoms.calc
    picked.info["selection_rank"] = rank
    picked.info["selection_index"] = one.index
    picked.info["selection_gain"] = one.gain
    picked.info["selection_atoms"] = " ".join(map(str, one.atoms))
    picked.arrays["selection_novelty"] = one.novelty.copy()
    if one.grades is not None:
        picked.arrays["extrapolation_grade"] = one.grades.copy()
    return picked
