"""A Behler-Parrinello network of one element and its training, for `benchmarks.network`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from ase import Atoms, units
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from benchmarks.symmetry_functions import SymmetryFunctions, describe
from linpot.structures.structure import structure_from_atoms

Tensor = torch.Tensor
FLAT = 1e-12  # a function that does not vary over the training data is not scaled


class Network(torch.nn.Module):
    """
    Two hidden layers of hyperbolic tangents above scaled symmetry functions.

    Parameters
    ----------
    low, high : float64[n_functions]
        The range of every function over the training data becomes 0 to 1.
    nodes : int
        Of each hidden layer.
    offset : float
        Energy of every atom that the network learns differences from, eV.
    """

    def __init__(self, low: np.ndarray, high: np.ndarray, nodes: int, offset: float) -> None:
        super().__init__()
        self.register_buffer("low", torch.as_tensor(low))
        self.register_buffer("span", torch.as_tensor(np.where(high - low > FLAT, high - low, 1.0)))
        self.offset = offset
        sizes = [len(low), nodes, nodes, 1]
        layers: list[torch.nn.Module] = []
        for before, after in pairwise(sizes):
            layers += [torch.nn.Linear(before, after, dtype=torch.float64), torch.nn.Tanh()]
        self.layers = torch.nn.Sequential(*layers[:-1])

    def forward(self, values: Tensor) -> Tensor:
        """Return the energy of every atom."""
        energies: Tensor = self.layers((values - self.low) / self.span)[:, 0] + self.offset
        return energies

    @property
    def n_parameters(self) -> int:
        """Number of weights."""
        return sum(p.numel() for p in self.parameters())


def read_network(folder: Path, functions: SymmetryFunctions) -> Network:
    """Read a published network in the files of n2p2: scaling.data, weights.*.data, input.nn."""
    scaling = np.loadtxt(folder / "scaling.data", comments="#")
    if len(scaling) != len(functions):
        raise SystemExit(f"{folder}: {len(scaling)} functions instead of {len(functions)}")
    [file] = folder.glob("weights.*.data")
    rows = [line.split() for line in file.read_text().splitlines() if not line.startswith("#")]
    text = (folder / "input.nn").read_text()
    [nodes] = re.findall(r"^global_nodes_short +(\d+)", text, re.M)
    [offset] = re.findall(r"^atom_energy +\w+ +(\S+)", text, re.M)
    network = Network(scaling[:, 2], scaling[:, 3], int(nodes), float(offset))
    with torch.no_grad():
        for value, kind, _, *where in rows:
            if kind == "a":  # from layer and node, to layer and node
                layer, start, _, end = map(int, where)
                network.layers[2 * layer].weight[end - 1, start - 1] = float(value)
            else:
                layer, end = map(int, where)
                network.layers[2 * layer - 2].bias[end - 1] = float(value)
        network.offset *= units.Hartree  # their lengths are in bohr, their energies in hartree
        for parameter in network.layers[-1].parameters():
            parameter *= units.Hartree
    return network


class NetworkCalculator(Calculator):
    """A network for ASE."""

    implemented_properties: ClassVar[list[str]] = ["energy", "forces", "stress"]

    def __init__(self, network: Network, functions: SymmetryFunctions) -> None:
        super().__init__()
        self.network, self.functions = network, functions

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Evaluate; called by ASE."""
        super().calculate(atoms, properties, system_changes)
        part = describe(structure_from_atoms(self.atoms), self.functions)
        values = torch.from_numpy(part.values).requires_grad_()
        atomic = self.network(values)
        [by_value] = torch.autograd.grad(atomic.sum(), values)
        pulls = np.einsum("pm,pmx->px", by_value.numpy()[part.centers], part.slopes)
        forces = np.zeros((len(self.atoms), 3))
        np.add.at(forces, part.centers, pulls)
        np.add.at(forces, part.neighbors, -pulls)
        energy = float(atomic.sum().detach())
        self.results = {"energy": energy, "free_energy": energy, "forces": forces}
        if self.atoms.pbc.all():
            stress = np.einsum("px,py->xy", part.vectors, pulls) / self.atoms.get_volume()
            self.results["stress"] = full_3x3_to_voigt_6_stress(0.5 * (stress + stress.T))
