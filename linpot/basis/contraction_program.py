"""The contractions of moment tensor potentials up to a level, as a program."""

from __future__ import annotations

from functools import lru_cache

from linpot.basis.contraction_plan import ContractionPlan, Node, Sum
from linpot.basis.contractions import Contraction, Scalar, scalar_contractions
from linpot.basis.moment_program import ONE, MomentProgram, Scaled, Terms, mixed_ranks
from linpot.basis.program import Program


@lru_cache(maxsize=8)
def contraction_program(level: int, body_order: int, n_species: int) -> Program:
    """
    Generate the program of all contractions up to a level.

    Parameters
    ----------
    level : int
        See `scalar_contractions`.
    body_order : int
        2 or more.
    n_species : int
        Of neighbors.

    Returns
    -------
    Program
        Features in the order of `scalar_contractions`.
    """
    scalars = scalar_contractions(level, body_order - 1)
    ranks: dict[int, int] = {}
    for scalar in scalars:
        for mu, nu in _moments(scalar):
            ranks[mu] = max(ranks.get(mu, 0), nu)
    writer = _Writer(MomentProgram(mixed_ranks(ranks)))
    # factors of products are nodes, and those of the largest products share the most
    shared = {contraction for scalar in scalars if len(scalar) > 1 for contraction in scalar}
    for scalar in scalars:
        writer.add(scalar, shared)
    return writer.program.build(n_species)


def _moments(scalar: Scalar) -> list[tuple[int, int]]:
    return [pair for c in scalar for pair in zip(c.radial, c.ranks, strict=True)]


class _Writer:
    """Writes planned contractions into a program."""

    def __init__(self, program: MomentProgram) -> None:
        self.program = program
        self._plan = ContractionPlan()
        self._written: dict[Node, Scaled] = {}
        self._products: dict[Scalar, Scaled] = {}

    def add(self, scalar: Scalar, shared: set[Contraction]) -> None:
        """Add a feature; connected contractions among `shared` become nodes."""
        if len(scalar) > 1:
            half = (len(scalar) + 1) // 2
            terms: Terms = [(self._product(scalar[:half]), self._product(scalar[half:]), 1.0)]
        elif scalar[0].n_moments == 1 or scalar[0] in shared:
            terms = [(ONE, self._product(scalar), 1.0)]
        else:
            terms = self._terms(self._plan.add(scalar[0]))
        self.program.feature(terms, _moments(scalar))

    def _product(self, scalar: Scalar) -> Scaled:
        """Return the node of a product of connected contractions."""
        if scalar not in self._products:
            if len(scalar) == 1:
                node = self._node(self._plan.add_node(scalar[0]))
            else:
                half = (len(scalar) + 1) // 2
                pair = self._product(scalar[:half]), self._product(scalar[half:])
                node = self.program.node([(*pair, 1.0)])
            self._products[scalar] = node
        return self._products[scalar]

    def _terms(self, total: Sum) -> Terms:
        return [(self._node(a), self._node(b), float(c)) for (a, b), c in total.items()]

    def _node(self, node: Node) -> Scaled:
        contraction, component = node
        if contraction.n_moments == 1:
            return self.program.moment(contraction.radial[0], component[0])
        if node not in self._written:
            self._written[node] = self.program.node(self._terms(self._plan.sums[node]))
        return self._written[node]
