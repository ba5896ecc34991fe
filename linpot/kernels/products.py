"""Products of densities: forward through the levels, back through them, and features."""

from __future__ import annotations

from linpot.kernels.compile import kernel
from linpot.kernels.lanes import fma, load, splat, store


@kernel
def fill_products(first, products, nodes):
    """
    Evaluate the product nodes of a block.

    Parameters
    ----------
    first : int
        First product node.
    products : tuple of (target, left, right, coefficient, n_nodes)
    nodes : float64[n_nodes * 8], in and out
    """
    target, left, right, coefficient, n_nodes = products
    for k in range(first, n_nodes):
        store(nodes, k, splat(0.0))
    for t in range(len(target)):
        product = load(nodes, left[t]) * load(nodes, right[t])
        store(nodes, target[t], fma(product, splat(coefficient[t]), load(nodes, target[t])))


@kernel
def read_out(leaves, weights, nodes):
    """
    Return one weighted sum of leaves.

    Parameters
    ----------
    leaves : tuple of (left, offsets, right)
        Leaves ``offsets[g]:offsets[g + 1]`` share their left node ``left[g]``.
    weights : float64[n_leaves], eV
    nodes : float64[n_nodes * 8]

    Returns
    -------
    lanes, eV
    """
    left, offsets, right = leaves
    energy = splat(0.0)
    for g in range(len(left)):
        total = splat(0.0)
        for t in range(offsets[g], offsets[g + 1]):
            total = fma(splat(weights[t]), load(nodes, right[t]), total)
        energy = fma(total, load(nodes, left[g]), energy)
    return energy


@kernel
def pull_back_leaves(leaves, weights, outputs, nodes, adjoint):
    """
    Differentiate a sum of leaves by the nodes, and return the sum.

    Leaves that share their left node share its adjoint: two fused multiply-adds per leaf give
    value and derivatives.

    Parameters
    ----------
    leaves : tuple of (left, offsets, right)
    weights : float64[n_outputs, n_leaves], eV
    outputs : float64[n_outputs * 8] or None
        Factor of each output in the sum, in lanes; None for the first output alone.
    nodes : float64[n_nodes * 8]
    adjoint : float64[n_nodes * 8], out, eV

    Returns
    -------
    lanes, eV
    """
    left, offsets, right = leaves
    for k in range(len(adjoint) // 8):
        store(adjoint, k, splat(0.0))
    energy = splat(0.0)
    for g in range(len(left)):
        value = load(nodes, left[g])
        total = splat(0.0)
        for t in range(offsets[g], offsets[g + 1]):
            if outputs is None:
                weight = splat(weights[0, t])
            else:
                weight = splat(0.0)
                for k in range(len(weights)):
                    weight = fma(load(outputs, k), splat(weights[k, t]), weight)
            b = right[t]
            total = fma(weight, load(nodes, b), total)
            store(adjoint, b, fma(weight, value, load(adjoint, b)))
        energy = fma(total, value, energy)
        store(adjoint, left[g], load(adjoint, left[g]) + total)
    return energy


@kernel
def pull_back_products(products, nodes, adjoint):
    """
    Carry adjoints from product nodes to the densities.

    Parameters
    ----------
    products : tuple of (target, left, right, coefficient, n_nodes)
    nodes : float64[n_nodes * 8]
    adjoint : float64[n_nodes * 8], in and out, eV
    """
    target, left, right, coefficient, _ = products
    for t in range(len(target) - 1, -1, -1):
        a, b = left[t], right[t]
        scaled = load(adjoint, target[t]) * coefficient[t]
        store(adjoint, a, fma(scaled, load(nodes, b), load(adjoint, a)))
        store(adjoint, b, fma(scaled, load(nodes, a), load(adjoint, b)))


@kernel
def feature(f, readout, nodes):
    """
    Return one feature of a block.

    Parameters
    ----------
    f : int
    readout : tuple of (offsets, left, right, coefficient)
        Entries ``offsets[f]:offsets[f + 1]``: the two nodes of a leaf and its coefficient.
    nodes : float64[n_nodes * 8]

    Returns
    -------
    lanes
    """
    offsets, left, right, coefficient = readout
    total = splat(0.0)
    for e in range(offsets[f], offsets[f + 1]):
        product = load(nodes, left[e]) * load(nodes, right[e])
        total = fma(product, splat(coefficient[e]), total)
    return total
