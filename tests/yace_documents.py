"""
Documents of every kind that linpot itself does not write, with rotation-invariant functions.

Couplings are those of linpot's bases; radial functions, embeddings and core repulsion are made up.
`python -m tests.yace_documents FOLDER` writes the files of tests/data/yace/ml_pace/foreign, and
those of the older form `.ace`.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from linpot.basis.families import build_basis
from linpot.basis.specification import BasisSpecification
from linpot.lammps.document import Bond, Embedding, Function, YaceDocument
from linpot.lammps.export import export_potential
from linpot.lammps.yace_text import yace_text
from linpot.model.linear_potential import LinearPotential
from tests.laws.cases import ELEMENTS, ISOLATED, radial_of

CUTOFF, N_BASE = 4.6, 4
DEGREES = {1: [2, 2, 1.5, 1.5], 2: [1.3, 1.5, 1], 3: [1, 1]}

KINDS = ("powers", "bessel", "densities", "roots", "linear_core")


def document_of(kind: str) -> YaceDocument:
    """Return one of `KINDS`."""
    return {
        # ranks to 4, radial functions that depend on l
        "powers": lambda: _document(1, "ChebPow", 0, Embedding()),
        # two linear densities, cutoffs that depend on the order of a pair
        "bessel": lambda: _document(
            2, "SBessel", 1, Embedding(2, (1.3, 1.0, 0.4, 1.0), "FinnisSinclair")
        ),
        # what pacemaker makes: two densities, inner cutoff, core repulsion that switches them off
        "densities": lambda: _document(
            2,
            "ChebExpCos",
            2,
            Embedding(2, (1.0, 1.0, 0.8, 0.5), core_cutoff=20.0, core_width=19.0),
            core=True,
            inner=True,
        ),
        "roots": lambda: _document(
            3, "ChebLinear", 3, Embedding(3, (1.0, 0.5, 0.7, 1.5, -0.2, 2.0), "FinnisSinclair")
        ),
        # core repulsion up to the cutoff
        "linear_core": lambda: _document(1, "ChebExpCos", 4, Embedding(), core=True),
    }[kind]()


@cache
def _couplings(n_elements: int) -> YaceDocument:
    elements, degrees = ELEMENTS[n_elements], DEGREES[n_elements]
    basis = build_basis(
        BasisSpecification(
            elements, radial_of(elements), body_order=len(degrees) + 1, max_degree=degrees
        )
    )
    rng = np.random.default_rng(n_elements)
    orders = np.concatenate([p.body_orders for p in basis.programs])
    coefficients = rng.normal(size=basis.n_features) * 0.1 ** (orders - 2.0)
    potential = LinearPotential(basis, coefficients, {s: ISOLATED[s] for s in elements})
    return export_potential(potential).document


def _document(
    n_elements: int,
    family: str,
    seed: int,
    embedding: Embedding,
    *,
    core: bool = False,
    inner: bool = False,
) -> YaceDocument:
    rng = np.random.default_rng(seed)
    document = _couplings(n_elements)
    bonds = {
        (i, j): Bond(
            coefficients=rng.normal(size=(*bond.coefficients.shape[:2], N_BASE)).round(4),
            family=family,
            parameters=(2.5 + 0.2 * i,),
            cutoff=CUTOFF - 0.2 * i - 0.1 * j,
            cutoff_width=0.47 if family == "ChebExpCos" else 0.0,
            inner_cutoff=2.4 if inner else 0.0,
            inner_width=1.1 if inner else 0.0,
            inner_kind="density" if core and not inner else "distance",
            core_strength=(40.0 if inner else 4.0) + 5.0 * i if core else 0.0,
            core_decay=0.4,
        )
        for (i, j), bond in document.bonds.items()
    }
    n = len(document.elements)
    functions = tuple(
        (
            *(_pair(z, k, rng, embedding.n_densities) for z in range(n) for k in range(1, N_BASE)),
            *(_mixed(f, rng, embedding.n_densities) for f in own if f.rank > 1),
        )
        for own in document.functions
    )
    return replace(
        document,
        spline_step=0.001,
        embeddings=(embedding,) * n,
        bonds=bonds,
        functions=functions,
    )


def _pair(species: int, k: int, rng: np.random.Generator, n_densities: int) -> Function:
    zero = np.zeros(1, dtype=np.int64)
    return Function(
        species=zero + species,
        radial=zero + k,
        angular=zero,
        components=zero[None],
        coefficients=rng.normal(size=(1, n_densities)).round(4),
    )


def _mixed(function: Function, rng: np.random.Generator, n_densities: int) -> Function:
    weights = np.append(1.0, rng.normal(size=n_densities - 1).round(3))
    return replace(function, coefficients=function.coefficients * weights)


def old_document() -> YaceDocument:
    """Two densities of one element, core repulsion that switches them off: what `.ace` can hold."""
    embedding = Embedding(2, (1.0, 1.0, 0.8, 0.5), core_cutoff=20.0, core_width=19.0)
    document = _document(1, "ChebExpCos", 5, embedding, core=True)
    bonds = {k: replace(b, core_strength=40.0) for k, b in document.bonds.items()}
    return replace(document, bonds=bonds)


def ace_text(document: YaceDocument) -> str:
    """Write a document of one element in the form that files had before `.yace`."""
    (symbol,), (embedding,), bond = document.elements, document.embeddings, document.bonds[0, 0]
    ranks = [f.rank for f in document.functions[0]]
    singles = [f for f in document.functions[0] if f.rank == 1]
    others = [f for f in document.functions[0] if f.rank > 1]

    def row(values) -> str:
        return " ".join(f"{float(value)!r}" for value in values)

    def block(f: Function) -> str:
        head = f"ctilde_basis_func: rank={f.rank} ndens={embedding.n_densities} mu0=0"
        lines = [f"{head} mu=( {'  '.join(map(str, f.species))} )"]
        lines += [
            f"n=( {'  '.join(map(str, f.radial))} )",
            f"l=( {'  '.join(map(str, f.angular))} )",
        ]
        lines.append(f"num_ms={len(f.components)}")
        for m, c in zip(f.components, f.coefficients, strict=True):
            lines.append(f"< {'  '.join(map(str, m))} >:  {row(c)} ")
        return "\n".join(lines)

    return "\n".join(
        [
            "# DATE: none UNITS: metal nelements",
            "",
            "nelements=1",
            f"elements: {symbol}",
            "",
            f"lmax={bond.l_max}",
            "",
            f"embedding-function: {embedding.kind}",
            f"{len(embedding.parameters)} FS parameters:  {row(embedding.parameters)}",
            f"core energy-cutoff parameters: {row([embedding.core_cutoff, embedding.core_width])}",
            f"E0: {row(document.isolated_atom_energies)}",
            "",
            f"radbasename={bond.family}",
            f"nradbase={bond.n_base}",
            f"nradmax={bond.n_radial}",
            f"cutoffmax={bond.cutoff!r}",
            f"deltaSplineBins={document.spline_step!r}",
            f"core repulsion parameters: {row([bond.core_strength, bond.core_decay])}",
            f"radparameter= {row(bond.parameters)}",
            f"cutoff= {bond.cutoff!r}",
            f"dcut= {bond.cutoff_width!r}",
            "crad= "
            + "\n ".join(
                row(c) for c in bond.coefficients.transpose(2, 0, 1).reshape(-1, bond.l_max + 1)
            ),
            f"rankmax={max(ranks)}",
            f"ndensitymax={embedding.n_densities}",
            "",
            f"num_c_tilde_max={len(ranks)}",
            f"num_ms_combinations_max={max(len(f.components) for f in document.functions[0])}",
            f"total_basis_size_rank1: {len(singles)} ",
            *map(block, singles),
            f"total_basis_size: {len(others)} ",
            *map(block, others),
            "",
        ]
    )


if __name__ == "__main__":
    for name in KINDS:
        (Path(sys.argv[1]) / f"{name}.yace").write_text(yace_text(document_of(name)))
    (Path(sys.argv[1]) / "old.ace").write_text(ace_text(old_document()))
