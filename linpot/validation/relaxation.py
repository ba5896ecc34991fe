"""Many small cells relaxed at once: one evaluation of the model moves all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from linpot.model.protocol import EnergyModel
from linpot.structures.structure import Structure

FORCE = 0.05  # eV/A, of atoms, and of the cell per atom and unit of strain
TIMESTEP, LONGEST = 0.1, 1.0  # ASE units, of a mass of one
STEP = 0.2  # A: most that an atom moves at a time
PATIENCE, FASTER, SLOWER, MIXING, CALMER = 5, 1.1, 0.5, 0.1, 0.99
VOLUMES = (0.2, 5.0)  # of the volume at first: beyond it has collapsed or flown apart

Floats = NDArray[np.float64]


def relax_many(
    model: EnergyModel,
    structures: Sequence[Structure],
    *,
    steps: int = 150,
    floor: float = -np.inf,
    threads: int = 1,
) -> tuple[list[Structure], Floats]:
    """
    Relax cells and positions of periodic structures.

    Parameters
    ----------
    model : EnergyModel
    structures : sequence of Structure
        Periodic in all directions.
    steps : int
        Most that are made.
    floor : float, eV per atom
        A structure stops below.
    threads : int

    Returns
    -------
    structures : list of Structure
        Where they ended, each at the lowest energy it had.
    energies : float64[n], eV per atom

    References
    ----------
    Bitzek et al., Phys. Rev. Lett. 97, 170201 (2006), of positions before the deformation and of
    the deformation times the number of atoms, as in Tadmor et al., Phys. Rev. B 59, 235 (1999).
    """
    if not structures:
        return [], np.zeros(0)
    sizes = np.array([s.n_atoms for s in structures])
    first = np.concatenate([[0], np.cumsum(sizes + 3)])  # three rows more: the deformation
    owner = np.repeat(np.arange(len(sizes)), sizes + 3)
    x = np.concatenate([np.vstack([s.positions, s.n_atoms * np.eye(3)]) for s in structures])
    volumes = np.array([s.volume for s in structures])

    def at(k: int) -> Structure:
        own = x[first[k] : first[k + 1]]
        deformation = own[-3:] / sizes[k]
        return replace(
            structures[k],
            positions=own[:-3] @ deformation.T,
            cell=structures[k].cell @ deformation.T,
        )

    best, lowest = list(structures), np.full(len(sizes), np.inf)
    velocities, forces = np.zeros_like(x), np.zeros_like(x)
    step, mixing = np.full(len(sizes), TIMESTEP), np.full(len(sizes), MIXING)
    downhill = np.zeros(len(sizes), dtype=np.int64)
    moving = np.arange(len(sizes))
    for _ in range(steps + 1):
        now = [at(k) for k in moving.tolist()]
        found = model.predict_many(now, threads=threads)
        stays = np.zeros(len(sizes), dtype=bool)
        for k, structure, said in zip(moving.tolist(), now, found, strict=True):
            deformation = x[first[k + 1] - 3 : first[k + 1]] / sizes[k]
            energy = said.energy / sizes[k]
            if energy < lowest[k]:
                best[k], lowest[k] = structure, energy
            assert said.forces is not None
            assert said.virial is not None
            pull = said.virial @ np.linalg.inv(deformation).T / sizes[k]
            forces[first[k] : first[k + 1]] = np.vstack([said.forces @ deformation, pull])
            share = structure.volume / volumes[k]
            largest = max(np.abs(said.forces).max(), np.abs(said.virial).max() / sizes[k])
            stays[k] = VOLUMES[0] < share < VOLUMES[1] and energy > floor and largest > FORCE
        moving = moving[stays[moving]]
        if not len(moving):
            break
        _fire(x, velocities, forces, owner, step, mixing, downhill, stays)
    return best, lowest


def _fire(
    x: Floats,
    velocities: Floats,
    forces: Floats,
    owner: NDArray,
    step: Floats,
    mixing: Floats,
    downhill: NDArray,
    stays: NDArray,
) -> None:
    """Make one step of FIRE in place, with a time step of its own for each structure."""

    def total(rows: Floats) -> Floats:
        return np.bincount(owner, rows.sum(axis=1), len(step)).astype(np.float64)

    power = total(forces * velocities)
    ahead = power > 0.0
    size_v, size_f = np.sqrt(total(velocities**2)), np.sqrt(total(forces**2))
    turned = (mixing * size_v / np.maximum(size_f, 1e-300))[owner, None] * forces
    velocities[:] = np.where(
        ahead[owner, None], (1.0 - mixing)[owner, None] * velocities + turned, 0.0
    )
    longer = ahead & (downhill > PATIENCE)
    step[:] = np.where(longer, np.minimum(FASTER * step, LONGEST), step)
    mixing[:] = np.where(longer, CALMER * mixing, mixing)
    downhill[:] = np.where(ahead, downhill + 1, 0)
    step[:] = np.where(ahead, step, SLOWER * step)
    mixing[:] = np.where(ahead, mixing, MIXING)
    velocities += step[owner, None] * forces
    moves = step[owner, None] * velocities
    first = np.searchsorted(owner, np.arange(len(step)))
    longest = np.sqrt(np.maximum.reduceat((moves**2).sum(axis=1), first))
    moves *= np.minimum(1.0, STEP / np.maximum(longest, 1e-300))[owner, None]
    x += np.where(stays[owner, None], moves, 0.0)
