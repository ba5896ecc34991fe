"""The text of a first settings file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from linpot.structures.distances import PairDistances
from linpot.structures.summary import DatasetSummary

_FEW = 30  # structures
_VIOLENT = 30.0  # eV/A


@dataclass(frozen=True)
class FirstChoices:
    """
    What the user has said.

    Attributes
    ----------
    train, test : list of path
    n_functions : int
    uncertainty : bool
    model : path
    keys : mapping of option to key
        Where labels are, where it was given.
    group_key : str
    """

    train: list[str]
    test: list[str]
    n_functions: int
    uncertainty: bool
    model: str
    keys: Mapping[str, str] = field(default_factory=dict)
    group_key: str = "config_type"


def settings_text(
    choices: FirstChoices,
    summary: DatasetSummary,
    distances: Mapping[tuple[str, str], PairDistances],
) -> str:
    """
    Return a TOML file that `linpot fit --config` takes.

    Parameters
    ----------
    choices : FirstChoices
    summary : DatasetSummary
    distances : mapping of pair to PairDistances

    Returns
    -------
    str
    """
    total = summary.total
    lines = [
        "# Settings of `linpot fit --config`; options on the command line win.",
        "# Lines that begin with # are off: they show what else there is.",
        "",
        f"# {total.n_structures} structures, {total.n_atoms} atoms of {' '.join(summary.symbols)}; "
        f"with energy {total.n_energy}, forces {total.n_forces}, stress {total.n_stress}.",
        f"train = {_text(choices.train)}",
        f"test = {_text(choices.test)}"
        if choices.test
        else '# test = ["test.extxyz"]  # only evaluated; `linpot data split` makes one',
        f"output = {_text(choices.model)}",
    ]
    lines += [f"{name} = {_text(key)}" for name, key in choices.keys.items()]
    if choices.group_key != "config_type":
        lines.append(f"group_key = {_text(choices.group_key)}")
    lines += [
        "",
        "# Functions per element: more are more accurate and slower, in proportion.",
        f"n_functions = {choices.n_functions}",
        "# choose_from = " + str(2 * choices.n_functions) + "  # make more, keep the best",
        "# candidates = " + str(4 * choices.n_functions) + "  # for molecules: keep what differs",
        "# tune = true  # search for cutoff, weights and body order first",
        "# tune_minutes = 5.0",
        "body_order = 5  # 2: pairs only; 5 is enough for nearly everything",
        '# family = "snap:twojmax=8"  # or soap, mtp; without n_functions and body_order',
        "",
        "# Shortest distances in the data (A): " + _shortest(distances) + ".",
        "# cutoff = 5.25  # A, for all pairs; chosen from the data if not given",
        "# [cutoff]       # or pair by pair, at the end of the file",
        "",
        "# Physics that is not learned. zbl repels atoms closer than any in the data.",
        'baseline = "zbl"',
        '# baseline = "zbl,d3:pbe"  # with dispersion; coulomb:Na=1,Cl=-1 with fixed charges',
        "",
        "# Energies of single atoms: from isolated atoms in the data, else an estimate.",
        'e0 = "auto"',
    ]
    lines += ["", "# Weights of residuals; groups of the data: " + _groups(summary) + "."]
    lines.append('weights = "energy=200,forces=1,stress=3"')
    if total.max_force is not None and total.max_force > _VIOLENT:
        lines += [
            f"# Forces reach {total.max_force:.0f} eV/A: larger ones than this count less.",
            f"force_cap = {_VIOLENT:g}  # eV/A",
        ]
    else:
        lines.append("# force_cap = 30.0  # eV/A: larger forces count less")
    lines.append("# energy_window = 2.0  # eV/atom above the lowest: higher structures count less")
    lines += ["", "# Error bars and extrapolation grades, kept in the file of the potential."]
    kind = 'uncertainty = "posterior"'
    lines.append(kind if choices.uncertainty else f"# {kind}")
    if total.n_structures < _FEW:
        lines += [
            "",
            f"# Only {total.n_structures} structures: error bars show where more are needed.",
        ]
    lines += ["", "seed = 0", "memory_limit = 4.0  # GB", ""]
    return "\n".join(lines)


def _text(value: str | list[str]) -> str:
    return json.dumps(value, ensure_ascii=False)  # TOML has the strings and lists of JSON


def _shortest(distances: Mapping[tuple[str, str], PairDistances]) -> str:
    seen = [f"{'-'.join(pair)} {own.shortest:.2f}" for pair, own in distances.items() if own.seen]
    return ", ".join(seen) or "none"


def _groups(summary: DatasetSummary, most: int = 8) -> str:
    names = [row.group for row in summary.rows]
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
