"""Options of a fit: everything that becomes `FitSettings`, and what is kept beside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from linpot.basis.families import FAMILIES, parse_family, plain_choices
from linpot.cli.options import PATH, WHOLE, threads_option
from linpot.cli.parsing import (
    Value,
    checked_baseline,
    checked_charges,
    make_weights,
    parse_cutoff,
    parse_e0,
    parse_family_name,
    parse_max_degree,
    parse_mixing,
    parse_n_functions,
    parse_number,
    parse_solver,
    parse_text,
    parse_weights,
)
from linpot.errors import InputError
from linpot.fitting.weights import Weights
from linpot.io.datasets import STRUCTURE_MEMORY
from linpot.workflow.calibration import KINDS
from linpot.workflow.settings import FitSettings, chosen_solver
from linpot.workflow.tuning_result import CRITERIA

Function = TypeVar("Function", bound=Callable[..., Any])

_FAMILIES = "; ".join(" ".join([f"{name}:", *plain_choices(name)]).rstrip(":") for name in FAMILIES)
_WEIGHTS = Weights()

_OPTIONS = (
    click.option(
        "--n-functions",
        type=Value("N", parse_n_functions),
        help="Basis functions per element, or 'Si=300,O=200'.  [default: 500]",
    ),
    click.option(
        "--choose-from",
        type=Value("N", parse_n_functions),
        help="Make rows of so many functions and keep those that the data need most. "
        "--tune tries it.",
    ),
    click.option(
        "--candidates",
        type=Value("N", parse_n_functions),
        help="Keep, of so many functions, those that differ most on the data, before any rows are "
        "made. For molecules: four times --n-functions; crystals lose.",
    ),
    click.option(
        "--max-degree",
        type=Value("D", parse_max_degree),
        help="Largest polynomial degree instead: one, or one per body order '16,12,10,8'.",
    ),
    click.option(
        "--cutoff",
        type=Value("A", parse_cutoff),
        help="In A, for all pairs or 'Si-O=5.0,O-O=4.5'.  [default: from the data]",
    ),
    click.option("--body-order", type=WHOLE, help="2 is pairs only.  [default: 5]"),
    click.option(
        "--baseline",
        type=Value("TERMS", checked_baseline),
        default="zbl",
        show_default=True,
        help="Physics that is not learned: zbl (repulsion at short range), coulomb:Na=1,Cl=-1, "
        "dispersion, d3:pbe, tblite:GFN1-xTB, several of them with commas, or none.",
    ),
    click.option(
        "--charges",
        type=Value("RUNG", checked_charges),
        help="Charges that move with the atoms: local (from reference charges, dipoles), qeq and "
        "self_consistent (equilibrated, from charges, then from energies and forces too), latent "
        "(from energies and forces), with settings as in local:n_functions=300,width=0.8.",
    ),
    click.option(
        "--e0",
        type=Value("RULE", parse_e0),
        default="auto",
        show_default=True,
        help="Energies of single atoms: auto, isolated, least-squares, "
        "joint (with the learned part), or 'Si=-0.8,O=-1.5' in eV.",
    ),
    click.option(
        "--weights",
        type=Value("W", parse_weights),
        help=f"'energy={_WEIGHTS.energy:g},forces={_WEIGHTS.forces:g},stress={_WEIGHTS.stress:g}' "
        "(the defaults), and factors for groups, 'liquid=0.5,surface.energy=2'.",
    ),
    click.option(
        "--energy-window",
        type=Value("EV", parse_number),
        help="Weigh structures down that lie further above the lowest, eV/atom.",
    ),
    click.option(
        "--force-cap", type=Value("F", parse_number), help="Weigh larger forces down, eV/A."
    ),
    click.option(
        "--family",
        type=Value("NAME", parse_family_name),
        default="ace",
        show_default=True,
        help=f"Family of basis functions, with choices as in snap:twojmax=6,quadratic: {_FAMILIES}",
    ),
    click.option(
        "--mixtures",
        type=Value("K[,B[,C]]", parse_mixing),
        help="Make functions of body order B (3 if not given) and up of K mixtures of species; any "
        "but the first costs C degrees (0 if not given).",
    ),
    click.option(
        "--solver",
        type=Value("RULE", parse_solver),
        default="evidence",
        show_default=True,
        help="Ridge with the penalty by evidence or gcv, or its value; "
        "or ard, omp, lasso, svd, qr.",
    ),
    click.option(
        "--tune",
        is_flag=True,
        help="First search for settings that predict left-out parts of TRAIN better. What is given "
        "here of cutoff, body order and weights is kept.",
    ),
    click.option(
        "--tune-minutes",
        type=Value("M", parse_number),
        default=5.0,
        show_default=True,
        help="How long to search at most.",
    ),
    click.option(
        "--us-per-atom",
        type=Value("US", parse_number),
        help="With --tune: the size by its estimated cost per atom and step, not by --n-functions.",
    ),
    click.option(
        "--tune-by",
        type=click.Choice(CRITERIA),
        default=CRITERIA[0],
        show_default=True,
        help="How settings are compared: on left-out blocks of TRAIN, or by the evidence.",
    ),
    click.option(
        "--random-search",
        type=WHOLE,
        default=0,
        show_default=True,
        metavar="CELLS",
        help="Relax so many random cells in each of up to ten rounds; lift what falls below TRAIN.",
    ),
    click.option(
        "--allow-holes",
        is_flag=True,
        help="Keep a potential whose energy falls when atoms are pushed together.",
    ),
    click.option("--seed", type=WHOLE, default=0, show_default=True, help="Of anything random."),
    threads_option,
    click.option(
        "--memory-limit",
        type=Value("GB", parse_number),
        default=4.0,
        show_default=True,
        help="GB of memory that a fit may take.",
    ),
    click.option(
        "--structure-memory",
        type=Value("GB", parse_number),
        default=STRUCTURE_MEMORY,
        show_default=True,
        help="GB of structures held in memory; more of them stay in a temporary file (see TMPDIR).",
    ),
    click.option(
        "--backend",
        type=Value("WHERE", parse_text),
        default="threads",
        show_default=True,
        help="Where design rows are made: threads, processes, or the address of a Dask scheduler.",
    ),
    click.option(
        "--checkpoint",
        type=PATH,
        metavar="FOLDER",
        help="Keep finished parts here; a killed fit of the same data and settings goes on "
        "from them.",
    ),
    click.option(
        "--uncertainty",
        is_flag=False,
        flag_value=KINDS[0],
        type=click.Choice(KINDS),
        help="Keep calibrated error bars and extrapolation grades in the file (ridge only); pops "
        "widens the posterior by the misfit.  [without a word: posterior]",
    ),
    click.option(
        "--active-set",
        is_flag=True,
        help="Keep what extrapolation grades need in the file; part of --uncertainty.",
    ),
)


def fit_options(function: Function) -> Function:
    """Add the options of a fit."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def make_settings(options: dict[str, Any]) -> FitSettings:
    """
    Return the settings of a fit from the values of its options.

    Raises
    ------
    InputError
        If they contradict each other or are out of range.
    """
    n_functions, max_degree = options["n_functions"], options["max_degree"]
    if n_functions is not None and max_degree is not None:
        raise InputError("only one of `n_functions` and `max_degree` must be given, got both")
    if options["us_per_atom"] is not None:
        if not options["tune"]:
            raise InputError("`us_per_atom` needs `tune`; give --tune, or --n-functions instead")
        if n_functions is not None:
            raise InputError("only one of `n_functions` and `us_per_atom` must be given, got both")
        for name in ("choose_from", "candidates"):
            if options[name] is not None:
                raise InputError(f"only one of `{name}` and `us_per_atom` must be given, got both")
    if parse_family(options["family"]) is not None:
        for name in ("n_functions", "body_order"):
            if options[name] is not None:
                raise InputError(f"`{name}` needs family 'ace', got {options['family']!r}")
    return FitSettings(
        family=options["family"],
        mixing=options["mixtures"],
        n_functions=500 if n_functions is None else n_functions,
        choose_from=options["choose_from"],
        candidates=options["candidates"],
        max_degree=max_degree,
        cutoff=options["cutoff"],
        body_order=5 if options["body_order"] is None else options["body_order"],
        baseline=options["baseline"],
        charges=options["charges"],
        e0=options["e0"],
        weights=make_weights(options["weights"], options["energy_window"], options["force_cap"]),
        **chosen_solver(options["solver"]),
        random_search=options["random_search"],
        allow_holes=options["allow_holes"],
        seed=options["seed"],
        threads=options["threads"],
        backend=options["backend"],
        checkpoint=options["checkpoint"],
        memory_limit=options["memory_limit"],
    )
