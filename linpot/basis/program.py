"""
Bilinear programs: what the basis generator hands to the kernels.

Node 0 is the constant 1, nodes 1 .. n_densities are the densities

    ``A_i[k] = constants[k] + sum_j weight[z_j, channel] R_q(r_ij) Y_a(r_ij / |r_ij|)``,

product nodes follow in topological order and accumulate ``node[t] += c * node[a] * node[b]``;
leaves are products of two nodes that only the read-out uses, and
``B_f = sum over its leaves of coefficient * node[left] * node[right]``.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from linpot.errors import FileFormatError

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Program:
    """
    One centre species' features as arrays; equal only to itself.

    Attributes
    ----------
    channel_radial : int64[n_channels]
        Index q of the radial function.
    channel_angular, channel_size : int64[n_channels]
        First angular function and how many consecutive ones; they fill as many densities.
    channel_start : int64[n_channels]
        Node of the channel's first density (>= 1).
    channel_weights : float64[n_species, n_channels]
        Factor for each neighbor species; zero for those that do not contribute.
    density_constants : float64[n_densities]
    term_target, term_left, term_right : int64[n_terms]
        Product terms, in an order in which a node is complete before it is used. Terms that follow
        one another and share their left node share its loads.
    term_coefficient : float64[n_terms]
    n_nodes : int
        1 + n_densities + number of product nodes.
    leaf_left, leaf_right : int64[n_leaves]
    feature_offsets : int64[n_features + 1]
        Leaves of feature f are entries ``feature_offsets[f]:feature_offsets[f + 1]`` of:
    feature_leaf : int64[n_entries]
    feature_coefficient : float64[n_entries]
    factors : int64[n_features, max_correlation_order, 3]
        Neighbor species index, n and l of every factor, -1 where a feature has fewer.
    """

    channel_radial: Ints
    channel_angular: Ints
    channel_size: Ints
    channel_start: Ints
    channel_weights: Floats
    density_constants: Floats
    term_target: Ints
    term_left: Ints
    term_right: Ints
    term_coefficient: Floats
    n_nodes: int
    leaf_left: Ints
    leaf_right: Ints
    feature_offsets: Ints
    feature_leaf: Ints
    feature_coefficient: Floats
    factors: Ints

    @property
    def n_features(self) -> int:
        """Number of features."""
        return len(self.feature_offsets) - 1

    @property
    def n_densities(self) -> int:
        """Number of densities."""
        return len(self.density_constants)

    @property
    def n_leaves(self) -> int:
        """Number of distinct products that the read-out uses."""
        return len(self.leaf_left)

    @property
    def n_radial(self) -> int:
        """Number of radial functions needed."""
        return int(self.channel_radial.max(initial=-1)) + 1

    @property
    def l_max(self) -> int:
        """Largest angular momentum needed."""
        top = int((self.channel_angular + self.channel_size).max(initial=1))
        return int(np.ceil(np.sqrt(top))) - 1

    @property
    def body_orders(self) -> Ints:
        """Body order of every feature: int64[n_features]."""
        return (self.factors[:, :, 0] >= 0).sum(axis=1) + 1

    def leaf_weights(self, coefficients: Floats) -> Floats:
        """
        Fold coefficients of features into weights of leaves.

        Parameters
        ----------
        coefficients : float64[n_outputs, n_features]

        Returns
        -------
        float64[n_outputs, n_leaves]
        """
        per_entry = np.repeat(
            np.arange(self.n_features), np.diff(self.feature_offsets)
        )  # feature of each entry
        weights = np.zeros((len(coefficients), self.n_leaves))
        for k, row in enumerate(coefficients):
            weights[k] = np.bincount(
                self.feature_leaf,
                weights=row[per_entry] * self.feature_coefficient,
                minlength=self.n_leaves,
            )
        return weights

    def arrays(self) -> dict[str, Any]:
        """Return the arrays by name, as a file stores them."""
        state = {f.name: getattr(self, f.name) for f in fields(self)}
        state["n_nodes"] = np.array(self.n_nodes, dtype=np.int64)
        return state

    @classmethod
    def from_arrays(cls, arrays: dict[str, Any]) -> Program:
        """
        Rebuild a program from stored arrays.

        Raises
        ------
        FileFormatError
            If an array is missing, or any index points outside: kernels trust a program.
        """
        missing = [f.name for f in fields(cls) if f.name not in arrays]
        if missing:
            raise FileFormatError(f"the program lacks {', '.join(missing)}")
        state = {f.name: arrays[f.name] for f in fields(cls)}
        floats = {
            "channel_weights",
            "density_constants",
            "term_coefficient",
            "feature_coefficient",
        }
        for name, value in state.items():
            kind = np.float64 if name in floats else np.int64
            if value.dtype != kind:
                raise FileFormatError(f"`{name}` must be {np.dtype(kind)}, got {value.dtype}")
            state[name] = np.asarray(value, order="C")
        if state["n_nodes"].shape != ():
            raise FileFormatError("`n_nodes` must be one number")
        state["n_nodes"] = int(state["n_nodes"])
        program = cls(**state)
        program.validate()
        return program

    def validate(self) -> None:
        """
        Check every index and order that the kernels rely on.

        Raises
        ------
        FileFormatError
            Naming the first array that breaks a rule.
        """
        n_channels, n_densities = len(self.channel_radial), self.n_densities
        rules = [
            ("factors", self.factors.ndim == 3 and self.factors.shape[2:] == (3,)),
            ("channel_weights", self.channel_weights.ndim == 2),
            ("density_constants", self.density_constants.ndim == 1),
            ("feature_offsets", self.feature_offsets.ndim == 1 and len(self.feature_offsets) > 0),
        ]
        rules += [
            (name, getattr(self, name).shape == (n_channels,))
            for name in ("channel_radial", "channel_angular", "channel_size", "channel_start")
        ]
        rules += [
            (name, getattr(self, name).shape == self.term_coefficient.shape)
            for name in ("term_target", "term_left", "term_right")
        ]
        rules += [
            ("leaf_left", self.leaf_left.shape == self.leaf_right.shape == (self.n_leaves,)),
            ("feature_leaf", self.feature_leaf.shape == self.feature_coefficient.shape),
        ]
        _require(rules)
        last = self.channel_start + self.channel_size
        ends = np.append(self.feature_offsets[1:] - self.feature_offsets[:-1], 0)
        _require(
            [
                ("channel_weights", self.channel_weights.shape[1] == n_channels),
                ("channel_radial", _inside(self.channel_radial, 0, 1000)),
                ("channel_angular", _inside(self.channel_angular, 0, 10_000)),
                ("channel_size", _inside(self.channel_size, 1, 10_000)),
                ("channel_start", _inside(self.channel_start, 1, n_densities + 1)),
                ("channel_start", _inside(last, 1, n_densities + 2)),
                ("n_nodes", 0 <= self.n_nodes - 1 - n_densities <= len(self.term_target)),
                ("term_target", _inside(self.term_target, 1 + n_densities, self.n_nodes)),
                ("term_left", bool((self.term_left < self.term_target).all())),
                ("term_right", bool((self.term_right < self.term_target).all())),
                ("term_left", _inside(self.term_left, 0, self.n_nodes)),
                ("term_right", _inside(self.term_right, 0, self.n_nodes)),
                ("leaf_left", _inside(self.leaf_left, 0, self.n_nodes)),
                ("leaf_right", _inside(self.leaf_right, 0, self.n_nodes)),
                ("feature_offsets", bool((ends >= 0).all()) and self.feature_offsets[0] == 0),
                ("feature_offsets", self.feature_offsets[-1] == len(self.feature_leaf)),
                ("feature_leaf", _inside(self.feature_leaf, 0, self.n_leaves)),
                ("factors", len(self.factors) == self.n_features),
            ]
        )
        place = np.arange(len(self.term_target))
        complete = np.full(self.n_nodes, -1, dtype=np.int64)
        np.maximum.at(complete, self.term_target, place)
        _require(
            [
                ("term_left", bool((complete[self.term_left] < place).all())),
                ("term_right", bool((complete[self.term_right] < place).all())),
            ]
        )


def _inside(array: Ints, low: int, high: int) -> bool:
    return array.size == 0 or bool(array.min() >= low and array.max() < high)


def _require(rules: list[tuple[str, bool]]) -> None:
    for name, holds in rules:
        if not holds:
            raise FileFormatError(f"`{name}` of the program is inconsistent; the file is damaged")
