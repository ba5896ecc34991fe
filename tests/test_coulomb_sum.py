"""Coulomb sums against known constants, plain sums, differences, and each other."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from charged_structures import (
    CASES,
    PERIODIC,
    TRICLINIC,
    energy_of,
    moved,
    plain_sum,
    scattered,
    slab_sum,
    slope,
    strained,
    structure_of,
)
from numpy.testing import assert_allclose
from scipy.special import erfc

from linpot.constants import COULOMB
from linpot.electrostatics.coulomb_sum import CoulombSum
from linpot.errors import InputError
from linpot.kernels.compile import kernel
from linpot.kernels.elementary import erfc_and_gaussian
from linpot.kernels.lanes import load, store

EVERYWHERE = (True, True, True)
TIGHT = 1e-13
FORMS = ("points", "widths", "damping")

# Madelung constants by nearest-neighbor distance: Crandall and Buhler, J. Phys. A 20, 5497 (1987);
# energy of a charge on a simple cubic lattice with background, -ALPHA/2a: Nijboer and Ruijgrok,
# J. Stat. Phys. 53, 361 (1988)
NACL, CSCL = 1.74756459463318219, 1.76267477307098839
ALPHA = 2.837297479480619477
ROOT_3 = np.sqrt(3.0)
FCC = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])


def options(form: str, n_atoms: int) -> dict:
    if form == "widths":
        return {"widths": np.linspace(0.0, 0.7, n_atoms)}
    return {"damping": 2.5} if form == "damping" else {}


def crystal(*sites: tuple[float, list[list[float]]], a: float = 4.1):
    """Charges on sites of a cubic cell, and what e^2/a is in eV."""
    positions = np.concatenate([np.array(p, dtype=float) for _, p in sites])
    charges = np.concatenate([np.full(len(p), q) for q, p in sites])
    return structure_of(positions * a, np.eye(3) * a, EVERYWHERE), charges, COULOMB / a


def perovskite(q_a: float, q_b: float, q_o: float) -> float:
    """
    Energy by e^2/a from potentials of simple cubic lattices with background.

    With s0, sb, sf, se the potential at a site, at the middle, on faces and on edges: s0 = -ALPHA;
    s0 - sb is CsCl; the eight sublattices of a lattice with half the constant give s0 + sb + 3 sf +
    3 se = 2 s0, and NaCl is s0 + 3 sf - sb - 3 se.
    """
    s0, x = -ALPHA, -2.0 * CSCL / ROOT_3
    sb, sf, se = s0 - x, -NACL / 3.0, (x + NACL) / 3.0
    return 0.5 * (
        q_a * (q_a * s0 + q_b * sb + 3 * q_o * sf)
        + q_b * (q_b * s0 + q_a * sb + 3 * q_o * se)
        + 3 * q_o * (q_o * (s0 + 2 * sf) + q_a * sf + q_b * se)
    )


FACES = [[0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
ZNS = 0.5 * (CSCL + 0.5 * ROOT_3 * NACL)  # sublattices again: sc/2 = fcc + shifted fcc
MADELUNG = {
    "NaCl": (crystal((1.0, FCC), (-1.0, FCC + 0.5)), -8.0 * NACL),
    "CsCl": (crystal((1.0, [[0, 0, 0]]), (-1.0, [[0.5] * 3])), -2.0 * CSCL / ROOT_3),
    "ZnS": (crystal((1.0, FCC), (-1.0, FCC + 0.25)), -16.0 * ZNS / ROOT_3),
    "CaF2": (
        crystal((2.0, FCC), (-1.0, FCC + 0.25), (-1.0, FCC - 0.25)),
        -16.0 * (4.0 * ZNS - 0.5 * ROOT_3 * NACL) / ROOT_3,
    ),
    "perovskite": (
        crystal((2.0, [[0, 0, 0]]), (4.0, [[0.5] * 3]), (-2.0, FACES)),
        perovskite(2.0, 4.0, -2.0),
    ),
    "charge with background": (crystal((1.0, [[0, 0, 0]])), -0.5 * ALPHA),
}


def test_known_constants_hang_together():
    """Values from tables: ZnS 1.6380550533, CaF2 5.0387848, SrTiO3 -49.5098 e^2/a."""
    assert pytest.approx(1.6380550533, abs=1e-10) == ZNS
    assert pytest.approx(5.0387848, abs=1e-7) == 4.0 * ZNS - 0.5 * ROOT_3 * NACL
    assert perovskite(2.0, 4.0, -2.0) == pytest.approx(-49.5098, abs=1e-4)


@pytest.mark.parametrize("method", ["ewald", "mesh"])
@pytest.mark.parametrize("name", list(MADELUNG))
def test_energy_of_crystals_is_their_madelung_constant(name, method):
    (structure, charges, unit), expected = MADELUNG[name]
    result = CoulombSum(structure, accuracy=TIGHT, method=method).evaluate(charges)
    assert result.energy / unit == pytest.approx(expected, rel=1e-11)
    # E ~ 1/a: a third of the energy in every direction of these cubic crystals
    assert_allclose(result.virial, np.eye(3) * result.energy / 3, atol=1e-9 * abs(result.energy))
    assert np.abs(result.forces).max() < 1e-10


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", PERIODIC)
def test_results_do_not_depend_on_the_splitting(name, form):
    structure, charges = CASES[name]
    own = options(form, structure.n_atoms)
    settings = [("ewald", 5.0), ("ewald", 9.0), ("ewald", 14.0), ("mesh", 14.0), ("mesh", 16.0)]
    results = []
    for method, cutoff in settings:
        wide = max(cutoff, 9.0) if form == "widths" else cutoff  # clouds reach 2 * 0.7 * 5.6 A
        total = CoulombSum(structure, accuracy=TIGHT, method=method, cutoff=wide, **own)
        results.append(total.evaluate(charges))
    first = results[0]
    for other in results[1:]:
        assert other.energy == pytest.approx(first.energy, rel=1e-10)
        for quantity in ("potentials", "fields", "forces", "virial"):
            a, b = getattr(other, quantity), getattr(first, quantity)
            assert_allclose(a, b, rtol=0, atol=1e-10 * np.abs(b).max(), err_msg=quantity)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", list(CASES))
def test_forces_fields_potentials_and_virial_equal_differences(name, form):
    structure, charges = CASES[name]
    n_atoms = structure.n_atoms
    own = options(form, n_atoms) | {"accuracy": TIGHT}
    result = CoulombSum(structure, **own).evaluate(charges)
    rng = np.random.default_rng(0)
    # STEP^4/30 times a fifth derivative of a few hundred eV/A^5, and 1e-15 E / STEP
    tolerance = 2e-9 * np.abs(result.potentials).max()
    d = rng.normal(size=(n_atoms, 3))
    found = slope(lambda h: energy_of(moved(structure, h * d), charges, **own))
    assert -found == pytest.approx(float((result.forces * d).sum()), abs=10 * tolerance)
    assert abs(found) > 1e-3
    # a probe without charge feels the field
    positions = np.vstack([structure.positions, [0.7, 2.1, 1.4]])
    probe = structure_of(positions, structure.cell, structure.pbc)
    with_probe = {k: np.append(v, 0.3) if k == "widths" else v for k, v in own.items()}
    extended = np.append(charges, 0.0)

    def potential(h: float) -> float:
        d = np.zeros((n_atoms + 1, 3))
        d[-1] = h * np.array([0.6, 0.0, 0.8])
        found = CoulombSum(moved(probe, d), **with_probe).evaluate(extended, forces=False)
        return float(found.potentials[-1])

    field = CoulombSum(probe, **with_probe).evaluate(extended).fields[-1]
    assert -slope(potential) == pytest.approx(field @ [0.6, 0.0, 0.8], abs=tolerance)
    dq = rng.normal(size=n_atoms)
    found = slope(lambda h: energy_of(structure, charges + h * dq, **own))
    assert found == pytest.approx(float(result.potentials @ dq), rel=1e-8)
    assert_allclose(result.virial, result.virial.T, atol=1e-12 * np.abs(result.virial).max())
    for a, b in ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)):
        e = np.zeros((3, 3))
        e[a, b] = e[b, a] = 1.0
        found = slope(
            lambda h, e=e: energy_of(strained(structure, np.eye(3) + h * e), charges, **own)
        )
        assert -found == pytest.approx(float((result.virial * e).sum()), abs=50 * tolerance)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", list(CASES))
def test_matrix_potentials_and_energy_are_one_operator(name, form):
    structure, charges = CASES[name]
    own = options(form, structure.n_atoms)
    total = CoulombSum(structure, accuracy=1e-8, **own)
    result = total.evaluate(charges)
    scale = np.abs(result.potentials).max()
    assert_allclose(total.matrix @ charges, result.potentials, rtol=0, atol=1e-12 * scale)
    assert_allclose(total.potentials(charges), result.potentials, rtol=0, atol=1e-12 * scale)
    assert_allclose(total.matrix, total.matrix.T, rtol=0, atol=1e-12 * scale)
    assert result.energy == pytest.approx(0.5 * charges @ total.matrix @ charges, rel=1e-12)
    assert_allclose(result.forces, charges[:, None] * result.fields, rtol=1e-15)


def test_matrix_on_a_mesh_is_that_of_ewald():
    structure, _ = CASES["triclinic"]
    mesh, ewald = (
        CoulombSum(structure, accuracy=1e-10, method=m).matrix for m in ("mesh", "ewald")
    )
    assert_allclose(mesh, ewald, rtol=0, atol=1e-8 * np.abs(ewald).max())


@pytest.mark.parametrize("name", ["slab", "turned slab", "charged slab"])
def test_slab_equals_the_exact_sum_in_two_dimensions(name):
    structure, charges = CASES[name]
    expected = COULOMB * slab_sum(structure, charges)
    assert expected == pytest.approx(COULOMB * slab_sum(structure, charges, 0.7), rel=1e-12)
    for method in ("ewald", "mesh"):
        found = energy_of(structure, charges, accuracy=1e-12, method=method)
        assert found == pytest.approx(expected, rel=1e-10)


def test_rounding_puts_no_atom_on_the_other_side_of_a_slab():
    """The lowest atom lies at depth zero up to rounding, on either side of it."""
    structure, charges = CASES["slab"]
    expected = energy_of(structure, charges)
    rng = np.random.default_rng(0)
    for _ in range(40):
        turn = np.linalg.qr(rng.standard_normal((3, 3)))[0]
        positions = structure.positions @ turn + rng.uniform(-50.0, 50.0, 3)
        turned = replace(structure, positions=positions, cell=structure.cell @ turn)
        assert energy_of(turned, charges) == pytest.approx(expected, rel=1e-9)


def test_error_of_a_slab_follows_the_accuracy():
    """A dipolar slab: without the correction the energy would be off by 2 pi M^2/V, here 1 eV."""
    structure, charges = CASES["slab"]
    exact = CoulombSum(structure, accuracy=1e-12).evaluate(charges).forces
    unit = COULOMB * (charges**2).mean() / 2.0**2
    for accuracy in (1e-3, 1e-5, 1e-7):
        found = CoulombSum(structure, accuracy=accuracy).evaluate(charges).forces
        assert np.sqrt(((found - exact) ** 2).sum(axis=1).mean()) < 5.0 * accuracy * unit


@pytest.mark.parametrize("form", FORMS)
def test_molecule_equals_a_plain_sum(form):
    structure, charges = CASES["molecule"]
    own = options(form, structure.n_atoms)
    found = energy_of(structure, charges, **own)
    if form == "damping":
        r = np.linalg.norm(structure.positions[:, None] - structure.positions, axis=2)
        u = np.maximum(1.0 - (r / 2.5) ** 2, 0.0)
        inside = (1.0 + u / 2.0 + 3.0 * u**2 / 8.0 + 5.0 * u**3 / 16.0) / 2.5
        f = np.where(r < 2.5, inside, 1.0 / np.maximum(r, 2.5))
        np.fill_diagonal(f, 0.0)
        expected = 0.5 * charges @ f @ charges
        assert (r[r > 0.0] < 2.5).any()
    else:
        expected = plain_sum(structure.positions, charges, own.get("widths"))
    assert found == pytest.approx(COULOMB * expected, rel=1e-13)


def test_large_molecule_has_all_pairs():
    rng = np.random.default_rng(0)
    positions, charges = rng.random((700, 3)) * 40.0, rng.normal(size=700)
    structure = structure_of(positions, np.zeros((3, 3)), (False,) * 3)
    found = CoulombSum(structure).evaluate(charges, threads=2)
    assert found.energy == pytest.approx(COULOMB * plain_sum(positions, charges), rel=1e-11)


def test_mean_of_the_interaction_over_the_cell_is_zero():
    """
    The convention for k = 0: no potential on average, whatever the widths of source and probe.

    Both clouds together suppress the first alias of a mean over 6^3 points by exp(-57).
    """
    cell = np.diag([6.0, 6.5, 7.0])
    grid = np.array(list(np.ndindex(6, 6, 6))) / 6.0 @ cell
    values, offset = [], np.array([0.31, 0.12, 0.23])
    for point in grid:
        pair = structure_of([[0.3, 0.1, 0.2], point + offset], cell, EVERYWHERE)
        total = CoulombSum(pair, widths=[1.1, 1.4], accuracy=1e-12, method="ewald")
        values.append(total.matrix[0, 1])
    assert abs(np.mean(values)) < 1e-10 * np.ptp(values)
    assert np.ptp(values) > 0.1


def test_energy_of_a_charged_supercell_is_extensive():
    structure, charges = CASES["charged"]
    widths = np.linspace(0.0, 0.8, structure.n_atoms)
    double = replace(
        structure,
        numbers=np.tile(structure.numbers, 2),
        positions=np.vstack([structure.positions, structure.positions + TRICLINIC[1]]),
        cell=TRICLINIC * np.array([[1.0], [2.0], [1.0]]),
    )
    one = CoulombSum(structure, widths=widths, accuracy=TIGHT).evaluate(charges)
    two = CoulombSum(double, widths=np.tile(widths, 2), accuracy=TIGHT).evaluate(
        np.tile(charges, 2)
    )
    assert two.energy == pytest.approx(2.0 * one.energy, rel=1e-11)
    assert_allclose(two.potentials, np.tile(one.potentials, 2), atol=1e-9)
    assert_allclose(two.virial, 2.0 * one.virial, atol=1e-9)


def test_widths_that_differ_shift_the_energy_of_a_charged_cell():
    """Clouds that do not overlap: (2 pi/V) Q sum q sigma^2 more than points, nothing else."""
    cell = np.diag([9.0, 9.0, 9.0])
    structure = structure_of([[1.0, 1.0, 1.0], [5.0, 5.5, 6.0]], cell, EVERYWHERE)
    charges, widths = np.array([1.0, 0.5]), np.array([0.3, 0.5])
    points = energy_of(structure, charges, accuracy=TIGHT)
    clouds = energy_of(structure, charges, accuracy=TIGHT, widths=widths)
    shift = COULOMB * 2.0 * np.pi / 9.0**3 * charges.sum() * float(charges @ widths**2)
    # they overlap by the complementary error function of 6.4/0.82: 2e-28
    assert clouds - points == pytest.approx(shift, rel=1e-9)


@pytest.mark.parametrize("name", list(CASES))
def test_translating_and_wrapping_change_nothing(name):
    structure, charges = CASES[name]
    shift = np.array([3.3, -7.1, 12.9]) + np.zeros((structure.n_atoms, 3))
    shift += (
        structure.cell[int(np.flatnonzero(structure.pbc)[0])] * 2.0 if any(structure.pbc) else 0.0
    )
    a, b = (
        CoulombSum(s, accuracy=1e-12, method="direct" if not any(s.pbc) else "ewald").evaluate(
            charges
        )
        for s in (structure, moved(structure, shift))
    )
    assert b.energy == pytest.approx(a.energy, rel=1e-12)
    assert_allclose(b.forces, a.forces, rtol=0, atol=1e-11 * np.abs(a.forces).max())
    assert_allclose(b.virial, a.virial, rtol=0, atol=1e-10 * np.abs(a.virial).max())
    assert_allclose(a.forces.sum(axis=0), 0.0, atol=1e-11 * np.abs(a.forces).max())


@pytest.mark.parametrize("method", ["direct", "ewald", "mesh"])
def test_threads_do_not_change_the_bits(method):
    positions = scattered(60, np.eye(3) * 12.0, 4)
    repeats = np.array(list(np.ndindex(3, 3, 3))) * 12.0
    everything = (positions[None] + repeats[:, None]).reshape(-1, 3)
    structure = structure_of(everything, np.eye(3) * 36.0, (method != "direct",) * 3)
    charges = np.random.default_rng(1).normal(size=len(everything))
    total = CoulombSum(structure, accuracy=1e-5, method=method)
    one, three = (total.evaluate(charges, threads=t) for t in (1, 3))
    assert one.energy == three.energy
    for quantity in ("potentials", "fields", "virial"):
        assert np.array_equal(getattr(one, quantity), getattr(three, quantity))


@pytest.mark.parametrize("method", ["ewald", "mesh"])
@pytest.mark.parametrize("accuracy", [1e-3, 1e-5, 1e-7, 1e-9])
@pytest.mark.parametrize("shape", ["cubic", "triclinic", "long"])
def test_error_of_forces_is_what_was_asked_for(shape, accuracy, method):
    """The estimate holds for uncorrelated charges; 48 of them scatter about it by less than 2."""
    cells = {
        "cubic": np.eye(3) * 11.0,
        "triclinic": TRICLINIC * 1.8,
        "long": np.diag([6.0, 7.0, 30.0]),
    }
    cell = cells[shape]
    structure = structure_of(scattered(48, cell, 7), cell, EVERYWHERE)
    charges = np.random.default_rng(2).normal(size=48)
    charges -= charges.mean()
    exact = CoulombSum(structure, accuracy=TIGHT, method="ewald").evaluate(charges)
    found = CoulombSum(structure, accuracy=accuracy, method=method).evaluate(charges)
    distance = (structure.volume / 48) ** (1 / 3)
    unit = COULOMB * (charges**2).mean() / distance**2
    error = np.sqrt(((found.forces - exact.forces) ** 2).sum(axis=1).mean()) / unit
    assert 0.02 * accuracy < error < 2.0 * accuracy


def test_error_function_of_lanes_equals_scipy():
    @kernel
    def fill(x, complement, gaussian):
        for k in range(len(x) // 8):
            a, b = erfc_and_gaussian(load(x, k))
            store(complement, k, a)
            store(gaussian, k, b)

    x = np.linspace(0.0, 30.0, 80_000)
    complement, gaussian = np.empty_like(x), np.empty_like(x)
    fill(x, complement, gaussian)
    assert np.abs(complement - erfc(x)).max() < 1e-15
    # exp(-x^2) carries the rounding of x^2: 64 times 1e-16 below 8
    near = x < 8.0
    assert_allclose(complement[near], erfc(x[near]), rtol=1e-14)
    assert_allclose(gaussian[near], np.exp(-(x[near] ** 2)), rtol=1e-14)
    assert (complement[x > 26.0] < 1e-293).all()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"accuracy": 1.0}, "`accuracy` must be from 1e-14 to 0.1, got 1.0"),
        ({"method": "pppm"}, "`method` must be one of auto, direct, ewald, mesh, got 'pppm'"),
        ({"method": "direct"}, "`method` must be 'direct' for molecules and only there"),
        ({"cutoff": -1.0}, "`cutoff` must be a positive length in A, got -1.0"),
        ({"damping": 0.0}, "`damping` must be a positive length in A, got 0.0"),
        ({"widths": [0.1]}, "`widths` must have shape [12], got [1]"),
        ({"widths": np.full(12, -0.1)}, "`widths` must not be negative, got -0.1 A"),
        ({"widths": np.ones(12), "damping": 1.0}, "leave out either it or `widths`"),
    ],
)
def test_invalid_options_are_refused_with_their_value(wrong, message):
    with pytest.raises(InputError, match=re.escape(message)):
        CoulombSum(CASES["triclinic"][0], **wrong)


def test_mesh_without_bounds_is_refused(monkeypatch):
    monkeypatch.setattr("linpot.electrostatics.charge_mesh.MOST_POINTS", 1000)
    with pytest.raises(InputError, match=r"must have at most 1000 points, got \d+ x \d+ x \d+"):
        CoulombSum(CASES["triclinic"][0], method="mesh", accuracy=1e-6)


def test_one_periodic_direction_is_refused():
    wire = structure_of([[0, 0, 0]], np.diag([3.0, 0, 0]), (True, False, False))
    with pytest.raises(InputError, match="cannot be summed with one periodic direction"):
        CoulombSum(wire)


def test_charges_on_top_of_each_other_are_refused():
    structure = structure_of([[0, 0, 0], [0, 0, 0.001], [1, 1, 1]], TRICLINIC, EVERYWHERE)
    with pytest.raises(InputError, match=r"at least 0\.01 A apart, got 0\.001 A"):
        CoulombSum(structure).evaluate([1.0, -1.0, 0.0])


def test_charges_of_the_wrong_number_are_refused():
    structure, _ = CASES["triclinic"]
    with pytest.raises(InputError, match=re.escape("`charges` must have shape [12], got [2]")):
        CoulombSum(structure).evaluate([1.0, -1.0])
