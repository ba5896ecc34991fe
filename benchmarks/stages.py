"""Where a step of the engine spends its time: every stage run alone on the same blocks."""

from __future__ import annotations

import time

import numpy as np

import linpot
from linpot.kernels.blocks import add_block_forces, fill_block, most_slots
from linpot.kernels.compile import kernel
from linpot.kernels.densities import fill_densities, polar, pull_back_densities
from linpot.kernels.harmonics import fill_harmonics, pull_back_harmonics
from linpot.kernels.lanes import aligned, store
from linpot.kernels.products import fill_products, pull_back_leaves, pull_back_products
from linpot.kernels.radial import fill_radial
from linpot.model.packing import pack
from linpot.structures.structure import Structure

STAGES = (
    "lay out pairs",
    "densities",
    "products",
    "leaves",
    "back through products",
    "back through densities",
    "add up forces",
)
PARTS = ("radial functions", "harmonics", "back through harmonics")
"""Inside the densities and the way back through them."""


@kernel
def _run(layout, pairs, program, leaves, weights, forces, virials, wanted):
    centers, slots, _ = layout
    radials, channels, groups, constants, products = program
    first, last, n_slots = 0, len(centers), most_slots(0, len(centers), slots)
    n_angular = len(radials[2]) * len(radials[2])
    n_widest = 16 * len(channels[1])
    vectors, places = aligned(n_slots * 48), np.empty((n_slots, 16), dtype=np.int64)
    radial = aligned(n_slots * n_widest).reshape(-1, n_widest)
    slope = aligned(n_slots * n_widest).reshape(-1, n_widest)
    gradients, harmonics = aligned(n_slots * 48), aligned(2 * 16 * n_angular).reshape(2, -1)
    ordered, output = aligned(8 * len(groups[5])), aligned(8)
    nodes, adjoint = aligned(8 * products[5]), aligned(8 * products[5])
    for block in range(first, last):
        own = slots[block]
        if wanted[0] or block == first:
            fill_block(block, layout, pairs, vectors, places)
        if wanted[1] or block == first:
            fill_densities(
                own, vectors, radials, channels, constants, radial, slope, harmonics, nodes
            )
        if wanted[2] or block == first:
            fill_products(1 + len(constants), products, nodes)
        if wanted[3] or block == first:
            store(output, 0, pull_back_leaves(leaves, weights, None, nodes, adjoint))
        if wanted[4]:
            pull_back_products(products, nodes, adjoint)
        if wanted[5] or block == first:
            pull_back_densities(
                own, vectors, radials, groups, (radial, slope, harmonics[0], harmonics[1], ordered),
                adjoint, gradients,
            )  # fmt: skip
        if wanted[6]:
            add_block_forces(block, layout, pairs, vectors, places, gradients, forces, virials)
        if wanted[7] or wanted[8] or wanted[9]:
            for slot in range(own[-1]):
                r, inverse, x, y, z = polar(vectors, slot)
                if wanted[7]:
                    fill_radial(
                        r, radials[0][0], radials[1][0], channels[0][0], channels[0][1],
                        channels[1], channels[2], radial[slot], slope[slot],
                    )  # fmt: skip
                if wanted[8]:
                    fill_harmonics(x, y, z, radials[2], harmonics[0])
                if wanted[9]:
                    pull_back_harmonics(
                        x, y, z, inverse, radials[2], harmonics[0], harmonics[1], slot, gradients
                    )


def stage_times(potential: linpot.LinearPotential, structure: Structure) -> dict[str, float]:
    """
    Time the stages of energy and forces of a structure of one element, one thread.

    Returns
    -------
    dict of str to float
        us per atom; medians of 15 runs. All `STAGES` make up the engine, `PARTS` are inside them.
    """
    batch = pack([structure], potential.elements, potential.cutoffs)
    program = potential.engine.programs[0]
    weights = program.leaf_weights(potential.coefficients[None])
    forces, virials = np.zeros((batch.n_atoms, 3)), np.zeros((batch.n_atoms, 6))
    results = {}
    for k, name in enumerate((*STAGES, *PARTS)):
        wanted = np.arange(len(STAGES) + len(PARTS)) == k
        times = []
        for _ in range(16):
            begin = time.perf_counter()
            _run(
                batch.blocks.layout, batch.pairs, program.arrays, program.leaves, weights, forces,
                virials, wanted,
            )  # fmt: skip
            times.append(time.perf_counter() - begin)
        results[name] = float(np.median(times[1:]) / batch.n_atoms * 1e6)
    return results
