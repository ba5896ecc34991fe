"""From the tables of a ``.mtp`` document to a program of the engine."""

from __future__ import annotations

import numpy as np

from linpot.basis.moment_program import ONE, MomentProgram, Scaled, Terms, mixed_ranks
from linpot.basis.program import Program
from linpot.mlip.document import MtpDocument

Factors = tuple[tuple[int, int], ...]
"""mu and nu of the moments that a node multiplies."""


def document_program(document: MtpDocument) -> Program:
    """
    Translate the products of a document; its basis functions are the features, in its order.

    Nodes that only the energy uses become leaves, and nodes that nothing uses are left out.

    Parameters
    ----------
    document : MtpDocument

    Returns
    -------
    Program
    """
    return _Translation(document).program.build(document.n_species)


class _Translation:
    """Walks through the tables once."""

    def __init__(self, document: MtpDocument) -> None:
        self._document = document
        self._terms: dict[int, list[tuple[int, int, int]]] = {}
        for a, b, c, target in document.times.tolist():
            self._terms.setdefault(target, []).append((a, b, c))
        used = self._used(document.mapping.tolist())
        ranks: dict[int, int] = {}
        for mu, *powers in document.basic[used[used < len(document.basic)]].tolist():
            ranks[mu] = max(ranks.get(mu, 0), sum(powers))
        self.program = MomentProgram(mixed_ranks(ranks))
        self._nodes: dict[int, Scaled] = {}
        self._factors: dict[int, Factors] = {}
        self._add_nodes(used)
        for node in document.mapping.tolist():
            if node in self._nodes:
                terms: Terms = [(ONE, self._nodes[node], 1.0)]
            else:
                terms = self._products(node)
            self.program.feature(terms, self._factors[node])

    def _used(self, waiting: list[int]) -> np.ndarray:
        used = set(waiting)
        while waiting:
            for a, b, _ in self._terms.get(waiting.pop(), ()):
                for factor in (a, b):
                    if factor not in used:
                        used.add(factor)
                        waiting.append(factor)
        return np.array(sorted(used), dtype=np.int64)

    def _add_nodes(self, used: np.ndarray) -> None:
        """Make nodes of what products use, in the order in which they are complete."""
        n_basic = len(self._document.basic)
        is_factor = np.zeros(self._document.n_nodes, dtype=bool)
        for node in used.tolist():
            for a, b, _ in self._terms.get(node, ()):
                is_factor[[a, b]] = True
        for node in used[used < n_basic].tolist():
            mu, a, b, c = self._document.basic[node].tolist()
            self._nodes[node] = self.program.moment(mu, (a, b, c))
            self._factors[node] = ((mu, a + b + c),)
        last = np.full(self._document.n_nodes, -1, dtype=np.int64)
        np.maximum.at(last, self._document.times[:, 3], np.arange(len(self._document.times)))
        products = used[used >= n_basic]
        for node in products[np.argsort(last[products], kind="stable")].tolist():
            if node not in self._terms:  # zero
                self._factors[node] = ()
                self._nodes[node] = Scaled(0, 0.0)
                continue
            a, b, _ = self._terms[node][0]
            self._factors[node] = tuple(sorted(self._factors[a] + self._factors[b]))
            if is_factor[node]:
                self._nodes[node] = self.program.node(self._products(node))

    def _products(self, node: int) -> Terms:
        return [(self._nodes[a], self._nodes[b], float(c)) for a, b, c in self._terms[node]]
