"""One pass over labelled structures: statistics, points to draw, errors of every structure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from ase.data import chemical_symbols
from ase.formula import Formula
from numpy.typing import NDArray

from linpot.model.prediction import Prediction
from linpot.model.protocol import EnergyModel
from linpot.report.contents import (
    PROPERTIES,
    DataErrors,
    ElementErrors,
    Points,
    StructureLine,
    WorstStructure,
)
from linpot.report.samples import ErrorCounts, PointSample
from linpot.structures.batches import batches_of_atoms
from linpot.structures.structure import Structure
from linpot.workflow.evaluate import BATCH, Residuals, residuals_from, summarise_residuals

Floats = NDArray[np.float64]


def survey_errors(
    model: EnergyModel,
    structures: Sequence[Structure],
    name: str,
    e0: Mapping[str, float],
    *,
    threads: int = 1,
    progress: Callable[[int], None] | None = None,
) -> DataErrors:
    """
    Compare predictions with labels for a page.

    Parameters
    ----------
    model : EnergyModel
    structures : sequence of Structure
    name : str
        What the data are called.
    e0 : mapping of str to float, eV
        Taken off the energies that are drawn, so that compositions compare; 0 where absent.
    threads : int
    progress : callable, optional
        Called with the number of structures done.

    Returns
    -------
    DataErrors
        Its metrics are those of `evaluate_model`.

    Raises
    ------
    InputError
        If no structure has a label.
    """
    survey = _Survey(len(structures), e0)
    metrics = summarise_residuals(survey.stream(model, structures, threads, progress))
    points = {p: Points(*sample.points(), sample.total) for p, sample in survey.samples.items()}
    drawn = sorted({int(s) for own in points.values() for s in own.places[:, 0]})
    return DataErrors(
        name,
        len(structures),
        survey.n_atoms,
        tuple(survey.groups),
        metrics,
        points,
        {p: counter.counts for p, counter in survey.counters.items()},
        {p: moments.scale(centred=p != "forces") for p, moments in survey.moments.items()},
        survey.per_structure,
        survey.volumes,
        survey.element_errors(),
        {k: line_of(structures[k]) for k in drawn},
    )


def line_of(structure: Structure) -> StructureLine:
    """Return what a page says of a structure."""
    symbols = tuple(chemical_symbols[z] for z in structure.numbers.tolist())
    counts = Counter(symbols)
    formula = Formula.from_dict(dict(counts)).format("hill" if "C" in counts else "metal")
    return StructureLine(structure.name, structure.group, formula, symbols)


def find_worst(
    model: EnergyModel, structures: Sequence[Structure], errors: DataErrors, *, most: int = 6
) -> tuple[WorstStructure, ...]:
    """
    Return the structures with the largest errors, with what is needed to draw them.

    Parameters
    ----------
    model : EnergyModel
    structures : sequence of Structure
        Those of `errors`.
    errors : DataErrors
    most : int
        Half of them by forces, half by energies, where there are both.

    Returns
    -------
    tuple of WorstStructure
        None twice.
    """
    reasons = (("forces", "force error"), ("energy", "energy error"))
    ranked = {p: np.abs(errors.per_structure[p]) for p, _ in reasons if p in errors.per_structure}
    chosen: dict[int, list[str]] = {}
    for place, (name, words) in enumerate((p, w) for p, w in reasons if p in ranked):
        sizes = np.nan_to_num(ranked[name], nan=-1.0)
        limit = -(-most // len(ranked)) * (place + 1)
        for rank, index in enumerate(np.argsort(-sizes, kind="stable").tolist(), start=1):
            if sizes[index] < 0.0 or (len(chosen) >= min(limit, most) and index not in chosen):
                break
            which = "largest" if rank == 1 else f"{_ordinal(rank)} largest"
            chosen.setdefault(index, []).append(f"{which} {words}")
    found = []
    for index, why in chosen.items():
        structure = structures[index]
        lengths, labels = None, structure.labels.forces
        if labels is not None and (forces := model.predict(structure).forces) is not None:
            lengths = np.linalg.norm(forces - labels, axis=1)
        found.append(
            WorstStructure(
                line_of(structure),
                index,
                ", ".join(why),
                structure.positions,
                structure.cell,
                structure.pbc,
                lengths,
            )
        )
    return tuple(found)


class _Moments:
    """Sums of labels and their squares, less the first label, which costs no digits."""

    def __init__(self, first: float) -> None:
        self.first, self.n, self.sum, self.square = first, 0, 0.0, 0.0

    def add(self, values: Floats) -> None:
        self.n += values.size
        self.sum += float((values - self.first).sum())
        self.square += float(((values - self.first) ** 2).sum())

    def scale(self, *, centred: bool) -> float:
        mean = self.sum / self.n
        variance = max(self.square / self.n - mean**2, 0.0)
        return float(np.sqrt(variance if centred else variance + (mean + self.first) ** 2))


class _Survey:
    """What is gathered while residuals are streamed."""

    def __init__(self, n_structures: int, e0: Mapping[str, float]) -> None:
        self._e0 = e0
        self.groups: list[str] = []
        self.n_atoms = 0
        self.samples: dict[str, PointSample] = {}
        self.counters: dict[str, ErrorCounts] = {}
        self.moments: dict[str, _Moments] = {}
        self.per_structure: dict[str, Floats] = {}
        self.volumes = np.full(n_structures, np.nan)
        self._n = n_structures
        self._elements: dict[int, Floats] = {}  # atoms, structures, components, error^2, label^2

    def stream(
        self,
        model: EnergyModel,
        structures: Sequence[Structure],
        threads: int,
        progress: Callable[[int], None] | None,
    ) -> Iterator[Residuals]:
        """Yield residuals, and keep what a page needs of them."""
        index = 0
        for batch in batches_of_atoms(structures, BATCH):
            forces = any(s.labels.forces is not None or s.labels.stress is not None for s in batch)
            predictions = model.predict_many(batch, forces=forces, threads=threads)
            for structure, prediction in zip(batch, predictions, strict=True):
                own = residuals_from(structure, prediction)
                self._keep(index, structure, prediction, own)
                yield structure.group, own
                index += 1
                if progress is not None:
                    progress(index)

    def element_errors(self) -> dict[str, ElementErrors]:
        """Return force errors by element, in the order of atomic numbers."""
        found = {}
        for z in sorted(self._elements):
            atoms, holders, n, square, size = self._elements[z].tolist()
            rmse, typical = np.sqrt(np.array([square, size]) / n) if n else (np.nan, np.nan)
            found[chemical_symbols[z]] = ElementErrors(
                int(atoms), int(holders), int(n), float(rmse), float(typical)
            )
        return found

    def _keep(
        self,
        index: int,
        structure: Structure,
        prediction: Prediction,
        residuals: Mapping[str, Floats],
    ) -> None:
        self.groups.append(structure.group)
        self.n_atoms += structure.n_atoms
        if structure.is_bulk:
            self.volumes[index] = structure.volume / structure.n_atoms
        for name in PROPERTIES:
            if name not in residuals:
                continue
            errors = residuals[name]
            label = self._label(structure, name)
            if name not in self.samples:
                self.samples[name] = PointSample()
                self.counters[name] = ErrorCounts()
                self.moments[name] = _Moments(float(label[0]))
                self.per_structure[name] = np.full(self._n, np.nan)
            self.samples[name].add(label, label + errors, index)
            self.counters[name].add(errors)
            self.moments[name].add(label)
            mean = errors[0] if name == "energy" else np.sqrt(np.mean(errors**2))
            self.per_structure[name][index] = mean
        for z, n in zip(*np.unique(structure.numbers, return_counts=True), strict=True):
            row = self._elements.setdefault(int(z), np.zeros(5))
            row[:2] += n, 1
            if "forces" in residuals and structure.labels.forces is not None:
                own = structure.numbers == z
                row[2] += 3 * n
                row[3] += float((residuals["forces"].reshape(-1, 3)[own] ** 2).sum())
                row[4] += float((structure.labels.forces[own] ** 2).sum())

    def _label(self, structure: Structure, name: str) -> Floats:
        labels = structure.labels
        if name == "forces":
            return np.asarray(labels.forces).ravel()
        if name != "energy":
            return np.asarray(getattr(labels, name))
        counts = zip(*np.unique(structure.numbers, return_counts=True), strict=True)
        one_body = sum(n * self._e0.get(chemical_symbols[z], 0.0) for z, n in counts)
        return np.array([(labels.energy - one_body) / structure.n_atoms])


def _ordinal(rank: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(rank % 10 if rank % 100 not in (11, 12, 13) else 0)
    return f"{rank}{ending or 'th'}"
