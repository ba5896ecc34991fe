"""A Behler-Parrinello network of one element and its training, for `benchmarks.network`."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from ase import Atoms, units
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

import linpot
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
        self.low = torch.as_tensor(low)
        self.span = torch.as_tensor(np.where(high - low > FLAT, high - low, 1.0))
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


@dataclass
class Batch:
    """
    Structures side by side; every atom has as many places for neighbors as the richest one.

    Attributes
    ----------
    values : float64[n_atoms, n_functions]
    slopes : float64[n_atoms, 3 n_places, n_functions]
    neighbors : int64[n_atoms * n_places]
        Unused places point behind the last atom.
    structures : int64[n_atoms]
    counts : float64[n_structures]
    energies : float64[n_structures]
    forces : float64[n_atoms, 3]
    """

    values: Tensor
    slopes: Tensor
    neighbors: Tensor
    structures: Tensor
    counts: Tensor
    energies: Tensor
    forces: Tensor

    def predict(self, network: Network, *, learn: bool) -> tuple[Tensor, Tensor]:
        """Return energies (eV) and forces (eV/A)."""
        values = self.values.detach().requires_grad_()
        atomic = network(values)
        [by_value] = torch.autograd.grad(atomic.sum(), values, create_graph=learn)
        pulls = torch.bmm(self.slopes, by_value[:, :, None]).view(len(values), -1, 3)
        forces = torch.zeros(len(values) + 1, 3, dtype=torch.float64)
        forces = forces.index_add(0, self.neighbors, -pulls.reshape(-1, 3))[:-1] + pulls.sum(1)
        energies = torch.zeros_like(self.energies).index_add(0, self.structures, atomic)
        return energies, forces

    def loss(self, network: Network, scales: tuple[float, float], *, learn: bool) -> Tensor:
        """Return the squared errors, energies per atom and forces in units of their scales."""
        energies, forces = self.predict(network, learn=learn)
        e = ((energies - self.energies) / self.counts / scales[0]) ** 2
        f = ((forces - self.forces) / scales[1]) ** 2
        return e.mean() + f.mean()


def batch(structures: Sequence[linpot.Structure], functions: SymmetryFunctions) -> Batch:
    """Describe labeled structures once; their functions do not change while weights are learned."""
    parts = [describe(s, functions) for s in structures]
    places = max(np.bincount(p.centers).max() for p in parts)
    n_atoms = sum(s.n_atoms for s in structures)
    slopes = np.zeros((n_atoms, places, 3, len(functions)))
    neighbors = np.full((n_atoms, places), n_atoms)
    first = 0
    for structure, part in zip(structures, parts, strict=True):
        order = np.arange(len(part.centers))
        place = order - np.searchsorted(part.centers, part.centers)
        slopes[first + part.centers, place] = part.slopes.transpose(0, 2, 1)
        neighbors[first + part.centers, place] = first + part.neighbors
        first += structure.n_atoms
    counts = np.array([s.n_atoms for s in structures])
    return Batch(
        torch.from_numpy(np.concatenate([p.values for p in parts])),
        torch.from_numpy(slopes.reshape(n_atoms, 3 * places, len(functions))),
        torch.from_numpy(neighbors.ravel()),
        torch.from_numpy(np.repeat(np.arange(len(structures)), counts)),
        torch.from_numpy(counts.astype(float)),
        torch.tensor([s.labels.energy for s in structures], dtype=torch.float64),
        torch.from_numpy(np.concatenate([s.labels.forces for s in structures])),
    )


@dataclass(frozen=True)
class Training:
    """
    How a network is trained.

    Attributes
    ----------
    minutes : float
        The most time; descriptors not counted.
    held_out : float
        Share of the training structures on which training is judged.
    batch_size : int
        Structures.
    rate : float
        First step of Adam; it is halved after `patience` epochs that bring nothing.
    patience : int
        Epochs.
    last_rate : float
        Validation has stalled where a smaller rate would follow.
    energy_length : float
        An error of 1 eV/atom counts as much as one of 1 eV/A over this length, A.
    seed : int
    """

    minutes: float = 120.0
    held_out: float = 0.1
    batch_size: int = 8
    rate: float = 5e-3
    patience: int = 100
    last_rate: float = 4e-5
    energy_length: float = 0.04
    seed: int = 0


def train(
    data: linpot.Dataset, functions: SymmetryFunctions, nodes: int, how: Training
) -> tuple[Network, dict[str, Any]]:
    """Train until validation stalls or time is up; return the best weights and what happened."""
    torch.manual_seed(how.seed)
    rng = np.random.default_rng(how.seed)
    order = rng.permutation(len(data))
    n_held = max(1, round(how.held_out * len(data)))
    held = batch([data[int(i)] for i in order[:n_held]], functions)
    chosen = order[n_held:]
    batches = [
        batch([data[int(i)] for i in chosen[k : k + how.batch_size]], functions)
        for k in range(0, len(chosen), how.batch_size)
    ]
    values = torch.cat([b.values for b in batches])
    energies = torch.cat([b.energies / b.counts for b in batches])
    spread = float(torch.cat([b.forces for b in batches]).square().mean().sqrt())
    scales = (how.energy_length * spread, spread)
    network = Network(values.amin(0).numpy(), values.amax(0).numpy(), nodes, float(energies.mean()))
    weights = list(network.parameters())
    optimizer = torch.optim.Adam(weights, how.rate)
    best, best_epoch, epoch, rate = np.inf, 0, 0, how.rate
    last_gain, kept = 0, {k: v.clone() for k, v in network.state_dict().items()}
    begin = time.perf_counter()
    while rate >= how.last_rate and time.perf_counter() - begin < 60.0 * how.minutes:
        epoch += 1
        for number in rng.permutation(len(batches)):
            loss = batches[number].loss(network, scales, learn=True)
            for weight, slope in zip(weights, torch.autograd.grad(loss, weights), strict=True):
                weight.grad = slope  # backward would also differentiate by the functions
            optimizer.step()
        value = float(held.loss(network, scales, learn=False).detach())
        if value < best:
            if value < 0.999 * best:
                last_gain = epoch
            best, best_epoch = value, epoch
            kept = {k: v.clone() for k, v in network.state_dict().items()}
        if epoch - last_gain >= how.patience:
            rate, last_gain = 0.5 * rate, epoch
            network.load_state_dict(kept)
            optimizer = torch.optim.Adam(weights, rate)
        if epoch % 20 == 0:
            print(f"epoch {epoch}: {value:.5f}, best {best:.5f}, rate {rate:.1e}", flush=True)
    network.load_state_dict(kept)
    return network, {
        "epochs": epoch,
        "best_epoch": best_epoch,
        "stalled": rate < how.last_rate,
        "training_seconds": round(time.perf_counter() - begin, 1),
        "n_validation": n_held,
        "validation_loss": best,
        "n_parameters": network.n_parameters,
    }


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
