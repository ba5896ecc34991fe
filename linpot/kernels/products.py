"""Products of densities: forward through the levels, back through them, and features."""

from __future__ import annotations

from linpot.kernels.compile import kernel


@kernel
def fill_products(first, target, left, right, coefficient, nodes):
    """
    Evaluate the product nodes of one centre.

    Parameters
    ----------
    first : int
        First product node.
    target, left, right : int64[n_terms]
    coefficient : float64[n_terms]
    nodes : float64[n_nodes], in and out
    """
    nodes[first:] = 0.0
    for t in range(len(target)):
        nodes[target[t]] += coefficient[t] * nodes[left[t]] * nodes[right[t]]


@kernel
def read_out(leaf_left, leaf_right, weights, nodes, energies):
    """
    Sum the leaves of one centre for every output.

    Parameters
    ----------
    leaf_left, leaf_right : int64[n_leaves]
    weights : float64[n_outputs, n_leaves], eV
    nodes : float64[n_nodes]
    energies : float64[n_outputs], out, eV
    """
    for k in range(len(weights)):
        total = 0.0
        for t in range(len(leaf_left)):
            total += weights[k, t] * nodes[leaf_left[t]] * nodes[leaf_right[t]]
        energies[k] = total


@kernel
def pull_back_products(
    target, left, right, coefficient, leaf_left, leaf_right, weights, nodes, adjoint
):
    """
    Differentiate one weighted sum of leaves by every node.

    Parameters
    ----------
    target, left, right : int64[n_terms]
    coefficient : float64[n_terms]
    leaf_left, leaf_right : int64[n_leaves]
    weights : float64[n_leaves], eV
    nodes : float64[n_nodes]
    adjoint : float64[n_nodes], out, eV
    """
    adjoint[:] = 0.0
    for t in range(len(leaf_left)):
        a, b = leaf_left[t], leaf_right[t]
        adjoint[a] += weights[t] * nodes[b]
        adjoint[b] += weights[t] * nodes[a]
    for t in range(len(target) - 1, -1, -1):
        a, b = left[t], right[t]
        scaled = coefficient[t] * adjoint[target[t]]
        adjoint[a] += scaled * nodes[b]
        adjoint[b] += scaled * nodes[a]


@kernel
def fill_features(offsets, leaf, coefficient, leaf_left, leaf_right, nodes, features):
    """
    Evaluate all features of one centre.

    Parameters
    ----------
    offsets : int64[n_features + 1]
    leaf : int64[n_entries]
    coefficient : float64[n_entries]
    leaf_left, leaf_right : int64[n_leaves]
    nodes : float64[n_nodes]
    features : float64[n_features], out
    """
    for f in range(len(features)):
        total = 0.0
        for e in range(offsets[f], offsets[f + 1]):
            t = leaf[e]
            total += coefficient[e] * nodes[leaf_left[t]] * nodes[leaf_right[t]]
        features[f] = total


@kernel
def fill_jacobian(node_ops, feature_ops, coefficients, n_densities, nodes, entries, jacobian):
    """
    Differentiate all features of one centre by all densities, over a static sparsity pattern.

    Parameters
    ----------
    node_ops, feature_ops : int64[n_ops, 3]
        Target entry, node that multiplies, source entry.
    coefficients : tuple of (float64[n_node_ops], float64[n_feature_ops])
    n_densities : int
        The first `n_densities` entries are the derivatives of densities by themselves: 1.
    nodes : float64[n_nodes]
    entries : float64[n_entries], scratch
        Derivatives of nodes.
    jacobian : float64[n_jacobian], out
        Derivatives of features.
    """
    entries[:n_densities] = 1.0
    entries[n_densities:] = 0.0
    for t in range(len(node_ops)):
        entries[node_ops[t, 0]] += (
            coefficients[0][t] * nodes[node_ops[t, 1]] * entries[node_ops[t, 2]]
        )
    jacobian[:] = 0.0
    for t in range(len(feature_ops)):
        jacobian[feature_ops[t, 0]] += (
            coefficients[1][t] * nodes[feature_ops[t, 1]] * entries[feature_ops[t, 2]]
        )
