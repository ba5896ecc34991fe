"""Families beside ACE, and mixed species: sizes, laws of their own, files, fits."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations_with_replacement

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from click.testing import CliRunner

import linpot
from linpot.basis.basis import Basis
from linpot.basis.chebyshev import ChebyshevRadial
from linpot.basis.enumeration import count_functions, select_blocks
from linpot.basis.families import FAMILIES, build_basis, parse_family, specification_from
from linpot.basis.mixing import Mixing
from linpot.basis.mtp import Mtp
from linpot.basis.radial import RadialParameters
from linpot.basis.snap import Snap
from linpot.basis.soap import Soap, SoapSpecification
from linpot.basis.specification import BasisSpecification
from linpot.cli.main import linpot as command
from linpot.cli.parsing import parse_mixing
from linpot.errors import FileFormatError, InputError
from linpot.model.linear_potential import LinearPotential
from linpot.model.naive import naive_energies, naive_features, naive_forces_and_virial
from linpot.structures.structure import structure_from_atoms

PAIR = RadialParameters(4.2, 1.0, 1.0, 1.6)
EIGHT = ("C", "Al", "Si", "Ti", "Cr", "Fe", "Ni", "Cu")


def radial(elements):
    return dict.fromkeys(combinations_with_replacement(elements, 2), PAIR)


def rattled(symbols, seed=0) -> Atoms:
    """Eight atoms of diamond whose elements take turns."""
    atoms = bulk("Si", "diamond", a=5.0, cubic=True)
    atoms.symbols = [symbols[k % len(symbols)] for k in range(len(atoms))]
    atoms.rattle(0.15, seed=seed)
    return atoms


def random_potential(basis: Basis, seed=0) -> LinearPotential:
    rng = np.random.default_rng(seed)
    return LinearPotential(
        basis, rng.normal(size=basis.n_features), dict.fromkeys(basis.elements, -1.0)
    )


def assert_equals_naive(potential: LinearPotential, atoms: Atoms) -> None:
    structure = structure_from_atoms(atoms)
    prediction = potential.predict(structure)
    forces, virial = naive_forces_and_virial(potential, structure)
    scale = np.abs(forces).max()
    assert scale > 1e-2
    assert np.allclose(
        prediction.atomic_energies, naive_energies(potential, structure), rtol=1e-11, atol=1e-11
    )
    assert np.allclose(prediction.forces, forces, rtol=0, atol=1e-11 * scale)
    assert np.allclose(prediction.virial, virial, rtol=0, atol=1e-10 * scale)
    design = potential.design(structure)
    assert np.allclose(
        design[7:] @ potential.coefficients, forces.ravel(), rtol=0, atol=1e-11 * scale
    )


def test_power_spectrum_has_its_number_of_functions():
    """``n_max`` pairs, and ``l_max + 1`` symmetric matrices of n and n'."""
    specification = SoapSpecification(("Si",), radial(("Si",)), n_max=4, l_max=3)
    basis = build_basis(specification)
    assert basis.n_functions == {"Si": 4 + 4 * 10}
    assert specification.functions_of("Si") == 44
    assert set(basis.body_orders) == {2, 3}


def test_bispectrum_adds_functions_of_body_order_four():
    choices = Soap(n_max=2, l_max=2, correlation_order=3)
    basis = build_basis(choices.specify(("Si", "Ge"), radial(("Si", "Ge"))))
    assert set(basis.body_orders) == {2, 3, 4}
    assert_equals_naive(random_potential(basis), rattled(["Si", "Ge"]))


def test_soap_is_a_part_of_ace():
    """The power spectrum up to n + n' = 1 and l = 2 is ACE of the same degrees."""
    soap = build_basis(SoapSpecification(("Si",), radial(("Si",)), n_max=2, l_max=2))
    ace = build_basis(
        BasisSpecification(
            ("Si",), radial(("Si",)), body_order=3, max_degree=[1.0, 1.0], angular_weight=1e-3,
            pair_weight=1.0, l_max=2, degree_offsets=(0.0, 0.0),
        )
    )  # fmt: skip
    structure = structure_from_atoms(rattled(["Si"]))
    wide, narrow = (random_potential(basis).features(structure)[0] for basis in (soap, ace))
    for feature in narrow:
        assert np.isclose(wide, feature, rtol=1e-10, atol=0).any()


@pytest.mark.parametrize("n_mixtures", [1, 2])
def test_mixed_species_equal_the_naive_evaluation(n_mixtures):
    elements = ("C", "Si", "Ge")
    basis = build_basis(
        BasisSpecification(
            elements, radial(elements), body_order=4, max_degree=[3, 2, 2],
            mixing=Mixing(n_mixtures, seed=2),
        )
    )  # fmt: skip
    assert_equals_naive(random_potential(basis), rattled(elements))


def test_mixtures_are_the_sum_and_random_ones_orthonormal_and_nested():
    few, many = Mixing(3).table(EIGHT, 4), Mixing(3).table(EIGHT, 9)
    assert (few == many[:, :4]).all()
    for n in range(9):
        assert np.allclose(many[:, n] @ many[:, n].T, np.eye(3), atol=1e-14)
    assert np.allclose(many[0], 1 / np.sqrt(8), atol=1e-15)
    assert not np.allclose(many[1:, 0], many[1:, 1])
    assert not np.allclose(many, Mixing(3, seed=1).table(EIGHT, 9))


def test_as_many_mixtures_as_species_span_the_same_functions():
    """Orthonormal mixtures are a rotation of the species, order by order."""
    elements = ("Si", "Ge")
    full = {"body_order": 3, "max_degree": [2.0, 2.0], "degree_offsets": (0.0, 0.0)}
    bases = [
        build_basis(BasisSpecification(elements, radial(elements), mixing=mixing, **full))
        for mixing in (None, Mixing(2))
    ]
    assert bases[0].n_functions == bases[1].n_functions
    structures = [structure_from_atoms(rattled(elements, seed)) for seed in range(20)]
    tables = [
        np.vstack([own for s in structures for own in random_potential(b).features(s)[::2]])
        for b in bases
    ]
    rank = np.linalg.matrix_rank(tables[0], tol=1e-9)
    assert rank > 20
    assert np.linalg.matrix_rank(np.hstack(tables), tol=1e-9) == rank


def test_eight_elements_of_body_order_four_take_few_functions_when_mixed():
    degrees = [4.0, 2.0, 2.0]
    mixed = build_basis(
        BasisSpecification(EIGHT, radial(EIGHT), body_order=4, max_degree=degrees, mixing=Mixing(2))
    )
    full = BasisSpecification(EIGHT, radial(EIGHT), body_order=4, max_degree=degrees)
    assert max(mixed.body_orders) == 4
    assert mixed.n_functions["Fe"] < count_functions(full, "Fe") / 15
    atoms = rattled(EIGHT)
    structure = structure_from_atoms(atoms)
    potential = random_potential(mixed)
    turned = atoms.copy()
    turned.rotate(40, (1, 2, 3), rotate_cell=True)
    assert potential.predict(structure_from_atoms(turned)).energy == pytest.approx(
        potential.predict(structure).energy, rel=1e-11
    )
    assert all(
        np.allclose(a, b, rtol=1e-11, atol=1e-11)
        for a, b in zip(
            potential.features(structure), naive_features(potential, structure), strict=True
        )
    )


def test_size_of_a_basis_is_known_before_it_is_built():
    specification = BasisSpecification(
        ("Si", "Ge"), radial(("Si", "Ge")), body_order=4, max_degree=[5, 4, 3], mixing=Mixing(1)
    )
    basis = build_basis(specification)
    assert basis.n_functions == {s: count_functions(specification, s) for s in ("Si", "Ge")}


@pytest.mark.parametrize(
    "specification",
    [
        SoapSpecification(("Si", "Ge"), radial(("Si", "Ge")), n_max=2, l_max=1),
        BasisSpecification(
            ("Si", "Ge"),
            radial(("Si", "Ge")),
            body_order=3,
            max_degree=2.0,
            mixing=Mixing(1, weights={"Si": [1.0], "Ge": [0.5]}),
        ),
    ],
    ids=["soap", "mixed"],
)
def test_saved_potential_predicts_the_same_bits(specification, tmp_path):
    potential = random_potential(build_basis(specification))
    linpot.save(potential, tmp_path / "a.linpot")
    found = linpot.learned_part(linpot.load(tmp_path / "a.linpot"))
    assert found.basis.specification == specification
    structure = structure_from_atoms(rattled(["Si", "Ge"]))
    assert (found.predict(structure).forces == potential.predict(structure).forces).all()


def test_unknown_family_in_a_file_is_refused():
    with pytest.raises(FileFormatError, match="family 'moment' is not known to this version"):
        specification_from("moment", {})


def test_every_family_has_defaults_or_the_choices_of_every_fit():
    for name in FAMILIES:
        family = parse_family(name)
        assert family is None or family.name == name
    assert parse_family("soap:n_max=3,l_max=2") == Soap(3, 2)


@pytest.mark.parametrize("order", [3, 4])
def test_cost_of_mixtures_lowers_the_degree_of_what_holds_them(order):
    """A factor of the second mixture has at most the degree of the limit less its cost."""
    common = {"body_order": order, "max_degree": [4.0] * (order - 1)}
    common |= {"angular_weight": 1.0, "degree_offsets": (0.0,) * (order - 1)}

    def densities(mixing):
        specification = BasisSpecification(
            ("Si", "Ge"), radial(("Si", "Ge")), **common, mixing=mixing
        )
        return [block.channels for block in select_blocks(specification, "Si")]

    dear, free, one = (densities(m) for m in (Mixing(2, cost=3.0), Mixing(2), Mixing(1)))
    assert set(one) < set(dear) < set(free)
    for channels in dear:
        if len(channels) > 1:
            degree = sum(l + n for l, _, n in channels)
            assert degree + 3.0 * sum(species == 3 for _, species, _ in channels) <= 4.0
    assert set(densities(Mixing(2, cost=5.0))) == set(one)


def chebyshev(elements):
    """The choices of level 4 with the radial functions of MLIP."""
    made = Mtp(level=4, learn=0).specify(elements, radial(elements))
    return replace(made, radial=dict.fromkeys(made.radial, ChebyshevRadial(1.0, PAIR.cutoff)))


@pytest.mark.parametrize(
    "specification",
    [
        BasisSpecification(("Si",), radial(("Si",)), body_order=2, max_degree=[3]),
        Soap(2, 1).specify(("Si",), radial(("Si",))),
        Snap(twojmax=2).specify(("Si",), radial(("Si",))),
        Mtp(level=4, learn=0).specify(("Si",), radial(("Si",))),
        chebyshev(("Si",)),
    ],
    ids=["ace", "soap", "snap", "mtp", "mtp of a file"],
)
def test_energies_are_as_smooth_at_the_cutoff_as_is_said(specification):
    """``E ~ (cutoff - r)^(k + 1)`` of a dimer: k derivatives vanish, the next one does not."""
    basis = build_basis(specification)
    h = 0.02 * np.array([1.0, 2.0])
    features = np.array(
        [
            random_potential(basis).features(
                structure_from_atoms(Atoms("Si2", positions=[[0, 0, 0], [0, 0, PAIR.cutoff - x]]))
            )[0]
            for x in h
        ]
    )
    linear = np.abs(features[1]) > 1e-4 * np.abs(features[1]).max()  # products vanish faster
    powers = np.log2(features[1] / features[0], where=linear, out=np.full(len(linear), 99.0))
    # the next power is h / cutoff = 1 % of the first, for polynomials of a few degrees more
    assert powers.min() == pytest.approx(specification.continuity + 1, abs=0.25)


def test_mixed_potential_is_not_written_for_pace(tmp_path):
    specification = BasisSpecification(
        ("Si", "Ge"), radial(("Si", "Ge")), body_order=3, max_degree=2.0, mixing=Mixing(1)
    )
    with pytest.raises(InputError, match="mix"):
        linpot.write_lammps(random_potential(build_basis(specification)), tmp_path / "a.yace")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Mixing(0), "`n_mixtures` must be .* got 0"),
        (lambda: Mixing(1, 2), "`from_body_order` must be .* got 2"),
        (lambda: Mixing(1, cost=-1.0), "`cost` must be .* got -1.0"),
        (lambda: parse_mixing("mixtures", "1,3,2,4"), "`mixtures` must be up to three numbers"),
        (lambda: Mixing(3).table(("Si", "Ge"), 2), "at most the number of elements 2, got 3"),
        (lambda: Mixing(1, weights={"Si": [1.0]}).table(("Si", "Ge"), 2), "'Ge' is missing"),
        (lambda: Soap(n_max=0).specify(("Si",), radial(("Si",))), "`n_max` must be .* got 0"),
        (lambda: Soap().specify(("Si",), {}), "`radial` must have every pair"),
        (lambda: linpot.FitSettings(family="soap", max_degree=3.0), "`max_degree` needs family"),
    ],
)
def test_invalid_choices_are_refused_with_their_value(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_command_line_fits_a_family(tmp_path):
    from ase.calculators.lj import LennardJones
    from ase.io import write

    frames = []
    for seed in range(4):
        atoms = rattled(["Si"], seed)
        atoms.calc = LennardJones(sigma=2.1, epsilon=0.4, rc=4.2, smooth=True)
        atoms.get_potential_energy()
        frames.append(atoms)
    write(tmp_path / "train.xyz", frames, format="extxyz")
    train, output = str(tmp_path / "train.xyz"), str(tmp_path / "a.linpot")
    arguments = ["fit", train, "--family", "soap:n_max=3,l_max=2", "--cutoff", "4.2", "-o", output]
    result = CliRunner().invoke(
        command, [*arguments, "--baseline", "none", "--allow-holes", "--threads", "1"]
    )
    assert result.exit_code == 0, result.output
    potential = linpot.learned_part(linpot.load(output))
    assert potential.basis.specification.family == "soap"
    assert potential.provenance["settings"]["family_choices"] == {
        "n_max": 3,
        "l_max": 2,
        "correlation_order": 2,
    }
    refused = CliRunner().invoke(command, [*arguments, "--n-functions", "50", "--overwrite"])
    assert refused.exit_code == 2
    assert "`n_functions` needs family 'ace'" in refused.output
