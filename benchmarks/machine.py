"""
What this processor can do at best, and what a step of the engine asks of it.

Peaks are measured with the same vector type as the engine's kernels: fused multiply-adds in
registers, and sums over arrays that fit into the first- or second-level cache.
"""

from __future__ import annotations

import time
from typing import Any

from linpot.basis.program import Program
from linpot.kernels.compile import kernel
from linpot.kernels.lanes import aligned, fma, load, splat, store

LANE_BYTES = 64
FIRST_LEVEL, SECOND_LEVEL = 24 * 1024, 384 * 1024  # bytes: well inside the caches


@kernel
def _multiply_add(repeats, out):
    a, b = splat(0.999), splat(1e-3)
    s0, s1, s2, s3, s4 = splat(0.0), splat(0.1), splat(0.2), splat(0.3), splat(0.4)
    s5, s6, s7, s8, s9 = splat(0.5), splat(0.6), splat(0.7), splat(0.8), splat(0.9)
    for _ in range(repeats):
        s0, s1, s2, s3, s4 = (
            fma(a, s0, b),
            fma(a, s1, b),
            fma(a, s2, b),
            fma(a, s3, b),
            fma(a, s4, b),
        )
        s5, s6, s7, s8, s9 = (
            fma(a, s5, b),
            fma(a, s6, b),
            fma(a, s7, b),
            fma(a, s8, b),
            fma(a, s9, b),
        )
    store(out, 0, ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7)) + (s8 + s9))


@kernel
def _read(array, repeats, out):
    s0, s1, s2, s3 = splat(0.0), splat(0.0), splat(0.0), splat(0.0)
    s4, s5, s6, s7 = splat(0.0), splat(0.0), splat(0.0), splat(0.0)
    for _ in range(repeats):
        for k in range(0, len(array) // 8, 8):
            s0, s1 = s0 + load(array, k), s1 + load(array, k + 1)
            s2, s3 = s2 + load(array, k + 2), s3 + load(array, k + 3)
            s4, s5 = s4 + load(array, k + 4), s5 + load(array, k + 5)
            s6, s7 = s6 + load(array, k + 6), s7 + load(array, k + 7)
    store(out, 0, ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7)))


def peaks() -> dict[str, float]:
    """Measure peak arithmetic (GFLOP/s) and read bandwidth of two cache levels (GB/s), one core."""
    out = aligned(8)
    repeats = 2_000_000
    results = {"gflops": 10 * 2 * 8 * repeats / _best(lambda: _multiply_add(repeats, out)) * 1e-9}
    for name, size in (("first_level_GB_s", FIRST_LEVEL), ("second_level_GB_s", SECOND_LEVEL)):
        array = aligned(size // 8)
        array[:] = 0.5
        passes = 200_000_000 // size
        results[name] = size * passes / _best(lambda a=array, n=passes: _read(a, n, out)) * 1e-9
    return results


def _best(work: Any) -> float:
    work()
    times = []
    for _ in range(7):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return min(times)


def work_per_atom(program: Program, neighbors: float) -> dict[str, float]:
    """
    Count arithmetic and traffic of energy and forces, per atom.

    Counted from the program, per neighbor: 3 multiply-adds per density (1 there, 2 back), 7 per
    radial function (value and slope), 80 for exponential, sine, cosine, square root and envelope,
    17 per (l, m >= 0) for harmonics there and back; then 3 per product term and 2 per leaf.
    Traffic is that of densities, products and their adjoints through the caches, as the kernels
    block them: eight numbers for eight atoms, so 8 bytes per atom and access.

    Parameters
    ----------
    program : Program
    neighbors : float

    Returns
    -------
    dict
        flop (two per multiply-add) and bytes, all and those of products and leaves alone.
    """
    l_max = program.l_max
    seen = float((program.channel_weights != 0.0).sum(axis=0) @ program.channel_size)
    seen /= len(program.channel_weights)  # densities that a neighbor adds to
    angular = 17 * (l_max + 1) * (l_max + 2) / 2
    per_neighbor = 3 * seen + 7 * program.n_radial + 80 + angular
    terms, leaves = len(program.term_target), program.n_leaves
    # densities: 2 loads and 1 store per 4 neighbors and harmonics per 2 channels; contractions: a
    # load per density and pair of neighbors, radial functions per 3 angular functions
    density_accesses = neighbors * seen * (3 / 4 + 1 / 2 + 1 / 2 + 2 / 3)
    product_accesses = 3 * terms + 5 * terms + 3 * leaves
    return {
        "flop": 2 * (neighbors * per_neighbor + 3 * terms + 2 * leaves),
        "flop_products": 2 * (3 * terms + 2 * leaves),
        "bytes": 8 * (density_accesses + product_accesses),
        "bytes_products": 8 * product_accesses,
    }
