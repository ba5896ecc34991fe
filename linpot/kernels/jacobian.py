"""Derivatives of features by densities, over a static sparsity pattern."""

from __future__ import annotations

from linpot.kernels.compile import kernel
from linpot.kernels.lanes import fma, load, splat, store


@kernel
def fill_node_entries(node_ops, n_densities, nodes, entries):
    """
    Differentiate all nodes of a block by all densities they depend on.

    Parameters
    ----------
    node_ops : tuple of (target, node, source, coefficient)
        ``entry[target] += coefficient * node * entry[source]``.
    n_densities : int
        The first `n_densities` entries are the derivatives of densities by themselves: 1.
    nodes : float64[n_nodes * 8]
    entries : float64[n_entries * 8], out
    """
    target, node, source, coefficient = node_ops
    for k in range(len(entries) // 8):
        store(entries, k, splat(1.0 if k < n_densities else 0.0))
    for t in range(len(target)):
        product = load(nodes, node[t]) * load(entries, source[t])
        k = target[t]
        store(entries, k, fma(product, splat(coefficient[t]), load(entries, k)))


@kernel
def fill_feature_row(f, feature_ops, nodes, entries, row):
    """
    Differentiate one feature by the densities it depends on.

    Parameters
    ----------
    f : int
    feature_ops : tuple of (offsets, target, node, source, coefficient)
        Operations ``offsets[f]:offsets[f + 1]``; targets count inside the feature.
    nodes : float64[n_nodes * 8]
    entries : float64[n_entries * 8]
    row : float64[n_widest * 8], out
    """
    offsets, target, node, source, coefficient = feature_ops
    written = -1
    for t in range(offsets[f], offsets[f + 1]):
        k = target[t]
        product = load(nodes, node[t]) * load(entries, source[t])
        if k > written:  # targets appear first in ascending order
            store(row, k, product * coefficient[t])
            written = k
        else:
            store(row, k, fma(product, splat(coefficient[t]), load(row, k)))
