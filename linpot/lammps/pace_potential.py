"""Any potential of LAMMPS' ``pair_style pace`` in linpot's engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from linpot.errors import FileFormatError
from linpot.kernels.embedding import PLAIN, SHIFTED, falling_switch
from linpot.lammps.document import Embedding, YaceDocument
from linpot.lammps.pace_program import PaceProgram, pace_program
from linpot.lammps.radial_tables import radial_table, stack_tables, table_parameters
from linpot.lammps.yace_parser import parse_yace
from linpot.lammps.yace_text import yace_text
from linpot.model.energy_engine import EnergyEngine
from linpot.model.kernel_program import KernelProgram
from linpot.model.pair_batch import PairBatch
from linpot.model.prediction import Predictions, Work
from linpot.model.protocol import BatchModel
from linpot.model.registry import register_model

Floats = NDArray[np.float64]


@register_model
@dataclass(frozen=True, eq=False)
class PacePotential(BatchModel):
    """
    ``E = sum_i E0[z_i] + s(core_i) sum_p w_p F_p(rho_ip) + core_i``.

    The densities rho are sums of products of neighbor densities, as in a linear potential; radial
    functions come from cubic tables as those that LAMMPS makes. Every family of radial functions of
    the format, inner cutoffs of kind "distance", core repulsion and Finnis-Sinclair embeddings.

    Attributes
    ----------
    document : YaceDocument

    Raises
    ------
    FileFormatError
        For an inner cutoff of kind "zbl", or an exponent of an embedding that is not positive.
    """

    document: YaceDocument
    kind = "pace"
    part_name = "short"

    def __post_init__(self) -> None:
        for (i, j), bond in self.document.bonds.items():
            if bond.inner_kind == "zbl":
                raise FileFormatError(
                    f"bonds[{[i, j]}]: inner_cutoff_type zbl is not supported: it weighs an atom's "
                    "energy by the distance of its nearest neighbor"
                )
        for i, embedding in enumerate(self.document.embeddings):
            exponents = embedding.parameters[1::2]
            if min(exponents) <= 0.0:
                raise FileFormatError(
                    f"embeddings[{i}]: exponents must be positive, got {min(exponents):g}"
                )
            if embedding.core_width < 0.0:
                raise FileFormatError(
                    f"embeddings[{i}]: drho_core_cutoff must not be negative, "
                    f"got {embedding.core_width:g}"
                )

    @property
    def elements(self) -> tuple[str, ...]:
        """Chemical symbols, in the order of the file."""
        return self.document.elements

    @property
    def cutoffs(self) -> Floats:
        """Cutoff of each ordered pair of species: float64[n_species, n_species], A."""
        return self._engine.cutoffs

    @property
    def continuity(self) -> int:
        """Of cosine cutoffs and cubic tables: forces do not jump, their slope does."""
        return 1

    @property
    def n_functions(self) -> dict[str, int]:
        """Number of functions in the file per centre species."""
        counts = map(len, self.document.functions)
        return dict(zip(self.elements, counts, strict=True))

    @property
    def is_linear(self) -> bool:
        """Whether the energy is a sum of functions, without embedding or core repulsion."""
        return all(e.is_linear for e in self.document.embeddings) and not any(
            bond.core_strength for bond in self.document.bonds.values()
        )

    @cached_property
    def _programs(self) -> list[PaceProgram]:
        programs = []
        for center, embedding in enumerate(self.document.embeddings):
            mixing = np.eye(embedding.n_densities)
            if self.is_linear:  # one output, weights and switch folded in
                switch, _ = falling_switch(0.0, embedding.core_cutoff, embedding.core_width)
                mixing = switch * np.array(embedding.parameters[0::2])[:, None]
            programs.append(pace_program(self.document, center, mixing))
        return programs

    @cached_property
    def _engine(self) -> EnergyEngine:
        bonds, step = self.document.bonds, self.document.spline_step
        n = len(self.elements)
        kernels = []
        for center, own in enumerate(self._programs):
            parameters = [table_parameters(bonds[center, z], step) for z in range(n)]
            tables = [
                radial_table(
                    bonds[center, z], [c for c in own.channels if c.species == z], parameters[z]
                )
                for z in range(n)
            ]
            embedding = None
            if not self.is_linear:
                embedding = _embedding_row(self.document.embeddings[center], own.has_core)
            kernels.append(
                KernelProgram(
                    own.program,
                    np.array(parameters),
                    np.zeros((n, 0, 3)),
                    stack_tables(tables),
                    embedding,
                )
            )
        cutoffs = [[bonds[i, j].cutoff for j in range(n)] for i in range(n)]
        return EnergyEngine(kernels, np.array(cutoffs))

    @cached_property
    def _leaf_weights(self) -> list[Floats]:
        return self._engine.leaf_weights([np.eye(own.program.n_features) for own in self._programs])

    def work_on(self, batch: PairBatch, *, forces: bool = True) -> Work:
        """Cut the evaluation of packed pairs into tasks; see `BatchModel.work_on`."""
        batch = batch.within(self.elements, self.cutoffs)
        one_body = np.array(self.document.isolated_atom_energies)[batch.species]

        def result(energies: Floats, *summed: Floats) -> Predictions:
            return Predictions.of_atoms(batch.first_atoms, energies[:, 0] + one_body, *summed)

        return self._engine.work_on(batch, self._leaf_weights, result, forces=forces)

    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray]]:
        """Return the text of the document, from which programs and tables are made again."""
        return {"yace": yace_text(self.document)}, {}

    @classmethod
    def from_state(cls, header: Mapping[str, Any], arrays: Mapping[str, NDArray]) -> PacePotential:
        """Rebuild from the text of the document."""
        return cls(parse_yace(str(header["yace"]), "the document of the potential"))


def _embedding_row(embedding: Embedding, has_core: bool) -> Floats:
    """Return what the kernel `embed` takes."""
    kind = PLAIN if embedding.kind == "FinnisSinclair" else SHIFTED
    header = [kind, embedding.core_cutoff, embedding.core_width, float(has_core)]
    return np.array([*header, *embedding.parameters])
