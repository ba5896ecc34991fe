"""
Training of a Behler-Parrinello network by Levenberg and Marquardt, for `benchmarks.network`.

Networks of a thousand weights allow the whole Jacobian of energies and forces: forces are linear in
the derivatives of atomic energies by symmetry functions, with coefficients that stay while weights
are learned, so each structure costs one product of matrices. A step solves the damped normal
equations; the damping follows how well the quadratic model foretold the loss (H. B. Nielsen,
IMM-REP-1999-05, Technical University of Denmark).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn.utils import parameters_to_vector, vector_to_parameters

import linpot
from benchmarks.network_model import Network
from benchmarks.symmetry_functions import SymmetryFunctions, describe

Tensor = torch.Tensor
SINGLE = 3e-7  # of the largest diagonal element: what J^T J in single precision leaves sure


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
    patience : int
        Validation has stalled where so many steps brought less than a thousandth.
    damping : float
        At the start, in units of the largest diagonal element.
    energy_length : float
        An error of 1 eV/atom counts as much as one of 1 eV/A over this length, A.
    seed : int
    """

    minutes: float = 120.0
    held_out: float = 0.1
    patience: int = 30
    damping: float = 1e-3
    energy_length: float = 0.04
    seed: int = 0


@dataclass(frozen=True)
class Sample:
    """
    A labeled structure.

    Attributes
    ----------
    values : float64[n_atoms, n_functions]
    pulls : float64[3 n_atoms, n_atoms * n_functions]
        Forces by the derivatives of atomic energies by values.
    energy : float, eV
    forces : float64[3 n_atoms], eV/A
    """

    values: Tensor
    pulls: Tensor
    energy: float
    forces: Tensor


def sample(structure: linpot.Structure, functions: SymmetryFunctions) -> Sample:
    """Describe a structure once; its functions do not change while weights are learned."""
    if structure.labels.energy is None or structure.labels.forces is None:
        raise SystemExit("a network is trained on structures that all have energies and forces")
    part, n = describe(structure, functions), structure.n_atoms
    pulls = np.zeros((n, 3, n, len(functions)))
    slopes = part.slopes.transpose(0, 2, 1)
    for x in range(3):
        np.add.at(pulls[:, x], (part.centers, part.centers), slopes[:, x])
        np.add.at(pulls[:, x], (part.neighbors, part.centers), -slopes[:, x])
    return Sample(
        torch.from_numpy(part.values),
        torch.from_numpy(pulls.reshape(3 * n, -1)),
        structure.labels.energy,
        torch.from_numpy(np.array(structure.labels.forces)).ravel(),
    )


@dataclass(frozen=True)
class Loss:
    """
    Mean squares of errors of energies per atom and of forces in units of their scales.

    Attributes
    ----------
    samples : sequence of Sample
    scales : tuple of float
        Of energies, eV/atom, and forces, eV/A.
    """

    samples: Sequence[Sample]
    scales: tuple[float, float]

    def value(self, network: Network) -> float:
        """Return the loss."""
        return sum(float(self._errors(network, one).square().sum()) for one in self.samples)

    def normal(self, network: Network) -> tuple[float, Tensor, Tensor]:
        """Return the loss, ``J^T J`` and ``J^T r`` of the errors r by the weights; J in single."""
        n = network.n_parameters
        square, slope = torch.zeros(n, n, dtype=torch.float64), torch.zeros(n, dtype=torch.float64)
        total, single = 0.0, deepcopy(network).float()
        for one in self.samples:
            energy, forces = self._weights(one)
            first, second = _derivatives(single, one.values.float())
            by_weight = one.pulls.float() @ second
            jacobian = torch.cat([energy * first.sum(0)[None], forces * by_weight])
            errors = self._errors(network, one)
            total += float(errors.square().sum())
            square += jacobian.T @ jacobian
            slope += jacobian.T @ errors.float()
        return total, square, slope

    def _errors(self, network: Network, one: Sample) -> Tensor:
        values = one.values.detach().requires_grad_()
        atomic = network(values)
        [by_value] = torch.autograd.grad(atomic.sum(), values)
        energy, forces = self._weights(one)
        return torch.cat(
            [
                energy * (atomic.detach().sum()[None] - one.energy),
                forces * (one.pulls @ by_value.ravel() - one.forces),
            ]
        )

    def _weights(self, one: Sample) -> tuple[float, float]:
        n_forces = sum(len(other.forces) for other in self.samples)
        energy = 1.0 / (self.scales[0] * len(one.values) * len(self.samples) ** 0.5)
        return energy, 1.0 / (self.scales[1] * n_forces**0.5)


def _derivatives(network: Network, values: Tensor) -> tuple[Tensor, Tensor]:
    """
    Return derivatives by the weights of atomic energies and of their derivatives by values.

    Written out for two hidden layers: f counts functions, a and b nodes of the first and of the
    second layer.

    Returns
    -------
    first : float32[n_atoms, n_weights]
    second : float32[n_atoms * n_functions, n_weights]
    """
    w1, _, w2, _, w3, _ = (parameter.detach() for parameter in network.parameters())
    x = (values - network.low) / network.span
    with torch.no_grad():
        h1 = network.layers[:2](x)
        h2 = network.layers[2:4](h1)
    s1, s2 = 1.0 - h1**2, 1.0 - h2**2
    g2 = w3 * s2  # of the energy by the sums that enter the second layer
    u = g2 @ w2
    g1 = u * s1
    n, n_functions = x.shape
    first = torch.cat(
        [
            (g1[:, :, None] * x[:, None]).reshape(n, -1),
            g1,
            (g2[:, :, None] * h1[:, None]).reshape(n, -1),
            g2,
            h2,
            torch.ones(n, 1),
        ],
        1,
    )
    w = (w1 / network.span).T
    into = s1[:, None] * w  # of h1 by values: [n, f, a]
    through = into @ w2.T  # of what enters the second layer by values: [n, f, b]
    q = through * (-2.0 * h2 * g2)[:, None]
    p = (q @ w2) * s1[:, None] + (-2.0 * h1 * g1)[:, None] * w
    by_w1 = p[..., None] * x[:, None, None]
    place = torch.arange(n_functions)
    by_w1[:, place, :, place] += (g1 / network.span[:, None, None]).to(by_w1)
    by_w2 = q[..., None] * h1[:, None, None] + g2[:, None, :, None] * into[:, :, None]
    rows = (n * n_functions, -1)
    parts = [by_w1, p, by_w2, q, through * s2[:, None], torch.zeros(n, n_functions, 1)]
    return first, torch.cat([part.reshape(rows) for part in parts], 1)


def train(
    data: linpot.Dataset, functions: SymmetryFunctions, nodes: int, how: Training
) -> tuple[Network, dict[str, Any]]:
    """Train until validation stalls or time is up; return the best weights and what happened."""
    torch.manual_seed(how.seed)
    order = np.random.default_rng(how.seed).permutation(len(data)).tolist()
    n_held = max(1, round(how.held_out * len(data)))
    samples = [sample(data[i], functions) for i in order]
    held, chosen = samples[:n_held], samples[n_held:]
    values = torch.cat([one.values for one in chosen])
    mean = float(np.mean([one.energy / len(one.values) for one in chosen]))
    spread = float(torch.cat([one.forces for one in chosen]).square().mean().sqrt())
    scales = (how.energy_length * spread, spread)
    network = Network(values.amin(0).numpy(), values.amax(0).numpy(), nodes, mean)
    loss, judged = Loss(chosen, scales), Loss(held, scales)
    eye = torch.eye(network.n_parameters, dtype=torch.float64)
    begin = time.perf_counter()
    steps, best, best_step, last_gain = 0, judged.value(network), 0, 0
    kept = here = parameters_to_vector(network.parameters()).detach()
    value, square, slope = loss.normal(network)
    damping, growth = how.damping * float(square.diagonal().max()), 2.0
    while steps - last_gain < how.patience and time.perf_counter() - begin < 60.0 * how.minutes:
        steps += 1
        factor, indefinite = torch.linalg.cholesky_ex(square + damping * eye)
        gain = 0.0
        if not indefinite:  # by the single precision of J
            move = -torch.cholesky_solve(slope[:, None], factor)[:, 0]
            vector_to_parameters(here + move, network.parameters())
            gain = (value - loss.value(network)) / float(move @ (damping * move - slope))
        if gain <= 0.0:
            damping, growth = damping * growth, 2.0 * growth
            vector_to_parameters(here, network.parameters())
            continue
        here = here + move
        least = SINGLE * float(square.diagonal().max())
        damping = max(damping * max(1.0 / 3.0, 1.0 - (2.0 * gain - 1.0) ** 3), least)
        growth = 2.0
        found = judged.value(network)
        if found < best:
            last_gain = steps if found < 0.999 * best else last_gain
            best, best_step, kept = found, steps, here
        print(f"step {steps}: {value:.5f}, held out {found:.5f}, best {best:.5f}", flush=True)
        value, square, slope = loss.normal(network)
    vector_to_parameters(kept, network.parameters())
    return network, {
        "steps": steps,
        "best_step": best_step,
        "stalled": steps - last_gain >= how.patience,
        "training_seconds": round(time.perf_counter() - begin, 1),
        "n_validation": n_held,
        "training_loss": value,
        "validation_loss": best,
        "n_parameters": network.n_parameters,
    }
