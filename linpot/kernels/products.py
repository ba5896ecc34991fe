"""Products of densities: forward through the levels, back through them, and features."""

from __future__ import annotations

from linpot.kernels.compile import kernel
from linpot.kernels.lanes import at, fma, load, splat, store


@kernel
def fill_products(first, products, nodes):
    """
    Evaluate the product nodes of a block.

    Parameters
    ----------
    first : int
        First product node.
    products : tuple of (left, offsets, target, right, coefficient, n_nodes)
        Terms ``offsets[g]:offsets[g + 1]`` share their left node ``left[g]``; a node is complete
        before it is used.
    nodes : float64[n_nodes * 8], in and out
    """
    left, offsets, target, right, coefficient, n_nodes = products
    for k in range(first, n_nodes):
        store(nodes, k, splat(0.0))
    for g in range(len(left)):
        shared = load(nodes, at(left, g))
        for t in range(at(offsets, g), at(offsets, g + 1)):
            product = shared * load(nodes, at(right, t))
            k = at(target, t)
            store(nodes, k, fma(product, at(coefficient, t), load(nodes, k)))


@kernel
def read_out(leaves, weights, nodes):
    """
    Return one weighted sum of leaves.

    Parameters
    ----------
    leaves : tuple of (fours, twos, ones, right)
        As in `pull_back_leaves`.
    weights : float64[n_leaves], eV
    nodes : float64[n_nodes * 8]

    Returns
    -------
    lanes, eV
    """
    fours, twos, ones, right = leaves
    energy, other = splat(0.0), splat(0.0)
    t = 0
    for size, left in ((4, fours), (2, twos), (1, ones)):
        for g in range(len(left)):
            total = splat(0.0)
            for u in range(size):
                total = fma(load(nodes, at(right, t + u)), at(weights, t + u), total)
            energy, other = other, fma(total, load(nodes, at(left, g)), energy)
            t += size
    return energy + other


@kernel
def pull_back_leaves(leaves, weights, outputs, nodes, adjoint):
    """
    Differentiate a sum of leaves by the nodes, and return the sum.

    Leaves that share a node share its adjoint: little more than two fused multiply-adds per leaf
    give value and derivatives. They come in fours, then in twos, then alone: a loop over groups
    of any size would guess its ends wrong every time.

    Parameters
    ----------
    leaves : tuple of (fours, twos, ones, right)
        The node that the leaves of a group share; the other node of all leaves in that order.
    weights : float64[n_outputs, n_leaves], eV
    outputs : float64[n_outputs * 8] or None
        Factor of each output in the sum, in lanes; None for the first output alone.
    nodes : float64[n_nodes * 8]
    adjoint : float64[n_nodes * 8], out, eV

    Returns
    -------
    lanes, eV
    """
    fours, twos, ones, right = leaves
    for k in range(len(adjoint) // 8):
        store(adjoint, k, splat(0.0))
    energy = splat(0.0)
    t = 0
    for g in range(len(fours)):
        a = at(fours, g)
        b0, b1, b2, b3 = at(right, t), at(right, t + 1), at(right, t + 2), at(right, t + 3)
        w0, w1 = _leaf_weight(weights, outputs, t), _leaf_weight(weights, outputs, t + 1)
        w2, w3 = _leaf_weight(weights, outputs, t + 2), _leaf_weight(weights, outputs, t + 3)
        value = load(nodes, a)
        # the four nodes differ: all are loaded before the first is stored
        adjoint_0, adjoint_1 = fma(value, w0, load(adjoint, b0)), fma(value, w1, load(adjoint, b1))
        adjoint_2, adjoint_3 = fma(value, w2, load(adjoint, b2)), fma(value, w3, load(adjoint, b3))
        total = fma(load(nodes, b2), w2, load(nodes, b0) * w0)
        total = total + fma(load(nodes, b3), w3, load(nodes, b1) * w1)
        store(adjoint, b0, adjoint_0)
        store(adjoint, b1, adjoint_1)
        store(adjoint, b2, adjoint_2)
        store(adjoint, b3, adjoint_3)
        store(adjoint, a, load(adjoint, a) + total)
        energy = fma(total, value, energy)
        t += 4
    for g in range(len(twos)):
        a, b0, b1 = at(twos, g), at(right, t), at(right, t + 1)
        w0, w1 = _leaf_weight(weights, outputs, t), _leaf_weight(weights, outputs, t + 1)
        value = load(nodes, a)
        total = fma(load(nodes, b1), w1, load(nodes, b0) * w0)
        store(adjoint, b0, fma(value, w0, load(adjoint, b0)))
        store(adjoint, b1, fma(value, w1, load(adjoint, b1)))
        store(adjoint, a, load(adjoint, a) + total)
        energy = fma(total, value, energy)
        t += 2
    for g in range(len(ones)):
        a, b = at(ones, g), at(right, t)
        weight, value = _leaf_weight(weights, outputs, t), load(nodes, a)
        total = load(nodes, b) * weight
        store(adjoint, b, fma(value, weight, load(adjoint, b)))
        store(adjoint, a, load(adjoint, a) + total)
        energy = fma(total, value, energy)
        t += 1
    return energy


@kernel
def _leaf_weight(weights, outputs, t):
    """Return the weight of leaf t in lanes."""
    if outputs is None:
        return splat(at(weights, t))
    weight = splat(0.0)
    for k in range(len(weights)):
        weight = fma(load(outputs, k), weights[k, t], weight)
    return weight


@kernel
def pull_back_products(products, nodes, adjoint):
    """
    Carry adjoints from product nodes to the densities.

    Parameters
    ----------
    products : tuple of (left, offsets, target, right, coefficient, n_nodes)
    nodes : float64[n_nodes * 8]
    adjoint : float64[n_nodes * 8], in and out, eV
    """
    left, offsets, target, right, coefficient, _ = products
    for g in range(len(left) - 1, -1, -1):
        a = at(left, g)
        value, total = load(nodes, a), splat(0.0)
        for t in range(at(offsets, g + 1) - 1, at(offsets, g) - 1, -1):
            scaled = load(adjoint, at(target, t)) * at(coefficient, t)
            b = at(right, t)
            total = fma(scaled, load(nodes, b), total)
            store(adjoint, b, fma(scaled, value, load(adjoint, b)))
        store(adjoint, a, load(adjoint, a) + total)


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
    for e in range(at(offsets, f), at(offsets, f + 1)):
        product = load(nodes, at(left, e)) * load(nodes, at(right, e))
        total = fma(product, at(coefficient, e), total)
    return total
