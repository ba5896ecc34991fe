"""Checks of a calculator as a program: boundary conditions, threads, claims, memory, repeats."""

from __future__ import annotations

import gc
import sys
import tracemalloc
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.data import chemical_symbols

from linpot.validation.findings import Findings
from linpot.validation.samples import CONDITIONS, make_samples, sample_name
from linpot.validation.subject import Answer, Subject, ask
from linpot.validation.symmetry_checks import ENERGY, FORCES

if sys.platform != "win32":
    import resource

Samples = Mapping[str, Atoms]

THREADS = 4
BITS = "no tolerance: the same sums in the same order give the same bits"
WARM_UP, CALLS, WINDOWS = 40, 40, 3
TRACED, RESIDENT = 512.0, 64.0 * 1024.0  # bytes per call
MEMORY = (
    "512 bytes that Python knows of and 64 KiB of the process per call, in the quietest of three "
    "windows: less than a result of ten atoms; caches that fill up stop growing"
)
HISTORY = "1e-6 eV/atom and 1e-5 eV/A: lists that are kept may change the order of sums, not more"
NO_TOLERANCE = "no tolerance: it holds or not"
_FOREIGN = ("Og", "Ts", "Lv", "Fm", "Rn", "Xe", "Pu", "He", "Si", "Cu")


def supported(subject: Subject) -> tuple[dict[str, Atoms], Findings]:
    """Ask under every boundary condition; refusals are allowed, some must be answered."""
    found, samples = Findings(), {}
    for name, atoms in make_samples(subject).items():
        try:
            ask(subject.make(1), atoms)
        except Exception as error:  # any calculator may raise anything: that is what is asked
            found.notes.append(f"{name} is refused: {_told(error)}")
        else:
            samples[name] = atoms
    if not samples:
        found.faults.append("no boundary condition is answered: " + "; ".join(found.notes))
    return samples, found


def periodicity(subject: Subject, samples: Samples, slack: float) -> Findings:
    """Compare free boundaries with wide gaps in periodic cells, if nothing reaches across."""
    _, found = supported(subject)
    calculator = subject.make(1)
    if subject.cutoff is None or "TTT" not in samples:
        return found
    gap = subject.cutoff + 1.0
    for name in ("TTF", "TFF", "FFF"):
        if name not in samples:
            continue
        free = samples[name].copy()
        axes = [k for k in range(3) if not CONDITIONS[name][k]]
        if name == "FFF":
            free.set_cell(np.eye(3))
        free.center(vacuum=0.5 * gap, axis=axes)
        closed = free.copy()
        closed.pbc = True
        a, b = ask(calculator, free), ask(calculator, closed)
        difference = abs(a.energy - b.energy) / len(free)
        if _is_long_ranged(subject, calculator, samples):
            found.notes.append(
                f"{name} in a cell with a gap of {gap:.1f} A differs by {difference:.2g} eV/atom, "
                "as it does with long-ranged interactions"
            )
            continue
        where = f"{sample_name(free)} against a periodic cell with a gap of {gap:.1f} A"
        found.add("energy", difference, ENERGY * slack, "eV/atom", where)
        forces = float(np.abs(a.forces - b.forces).max())
        found.add("forces", forces, FORCES * slack, "eV/A", where)
    return found


def reproducibility(subject: Subject, samples: Samples, slack: float) -> Findings:
    """Ask the same again: new calculators for bits, used ones for numbers."""
    found, answers = Findings(), []
    for atoms in samples.values():
        first = ask(subject.make(1), atoms)
        answers.append((atoms, first))
        if subject.makes_many:
            _same_bits(
                found, first, ask(subject.make(1), atoms), f"{sample_name(atoms)} asked twice"
            )
    used = subject.make(1)
    for atoms, first in [*answers, *answers[::-1], *answers]:
        positions, numbers = atoms.positions.copy(), atoms.numbers.copy()
        nudged = atoms.copy()
        nudged.positions += 0.01 * np.sin(np.arange(3 * len(atoms), dtype=float)).reshape(-1, 3)
        ask(used, nudged)
        later = ask(used, atoms)
        where = f"{sample_name(atoms)} after other structures"
        energy = abs(later.energy - first.energy) / len(atoms)
        found.add("energy", energy, ENERGY * slack, "eV/atom", where)
        forces = np.abs(later.forces - first.forces).max()
        found.add("forces", forces, FORCES * slack, "eV/A", where)
        if not (
            np.array_equal(positions, atoms.positions) and np.array_equal(numbers, atoms.numbers)
        ):
            found.faults.append(f"{sample_name(atoms)} was changed by the calculator")
    return found


def threads(subject: Subject, samples: Samples, slack: float) -> Findings:
    """Numbers of threads, and calculators at work at the same time, change no bit."""
    found = Findings()
    if not subject.makes_many:
        found.left_out = (
            "one calculator cannot answer twice at a time; give a function that makes them"
        )
        return found
    serial = {name: ask(subject.make(1), atoms) for name, atoms in samples.items()}
    if subject.takes_threads:
        for n in (2, 3, THREADS):
            for name, atoms in samples.items():
                where = f"{sample_name(atoms)} on {n} threads"
                _same_bits(found, serial[name], ask(subject.make(n), atoms), where)
    else:
        found.notes.append("the calculator takes no number of threads")

    def answer(name: str) -> tuple[str, Answer]:
        return name, ask(subject.make(1), samples[name])

    jobs = [name for _ in range(THREADS) for name in samples]
    with ThreadPoolExecutor(THREADS) as pool:
        for name, own in pool.map(answer, jobs):
            where = f"{sample_name(samples[name])} while {THREADS - 1} others are at work"
            _same_bits(found, serial[name], own, where)
    return found


def species(subject: Subject, samples: Samples, slack: float) -> Findings:
    """Every claimed element has an energy; others are refused, not taken for one of them."""
    found = Findings()
    # free clusters first: ions of one kind alone have no energy in a periodic cell
    conditions = "FFF" if "FFF" in samples else next(iter(samples), None)
    if conditions is None:
        found.left_out = "no boundary condition is supported"
        return found
    base = samples[conditions]
    for symbol in subject.elements:
        pure = base.copy()
        pure.symbols[:] = symbol
        scale = subject.distance(symbol, symbol) / _closest(pure)
        pure.positions *= scale
        pure.set_cell(scale * pure.cell.array)
        try:
            ask(subject.make(1), subject.charged(pure))
        except Exception as error:  # see `supported`
            found.faults.append(f"{symbol} is claimed, but {sample_name(pure)}: {_told(error)}")
    foreign = next(s for s in _FOREIGN if s not in subject.elements and s in chemical_symbols)
    stranger = base.copy()
    stranger.symbols[0] = foreign
    try:
        said = ask(subject.make(1), stranger).energy
    except Exception as error:  # a refusal, whatever its kind
        found.notes.append(f"{foreign} is refused: {_told(error)}")
    else:
        found.faults.append(
            f"{foreign} is not claimed, but {sample_name(stranger)} gets an energy, {said:.6g} eV"
        )
    return found


def memory(subject: Subject, samples: Samples, slack: float) -> Findings:
    """Memory does not grow with the number of calls."""
    found = Findings()
    conditions = next(iter(samples), None)
    if conditions is None:
        found.left_out = "no boundary condition is supported"
        return found
    calculator, base = subject.make(1), samples[conditions]
    rng = np.random.default_rng(6)

    def call(n_calls: int) -> None:
        for _ in range(n_calls):
            moved = base.copy()
            moved.positions += rng.uniform(-0.02, 0.02, moved.positions.shape)
            ask(calculator, moved)

    call(WARM_UP)
    resident = [_resident()]
    for _ in range(WINDOWS):
        call(CALLS)
        resident.append(_resident())
    was_tracing = tracemalloc.is_tracing()
    if not was_tracing:
        tracemalloc.start()
    try:
        call(CALLS // 2)
        traced = [_traced()]
        for _ in range(WINDOWS):
            call(CALLS // 2)
            traced.append(_traced())
    finally:
        if not was_tracing:
            tracemalloc.stop()
    where = f"{sample_name(base)}, {WINDOWS} windows of {CALLS} calls"
    python = max(0.0, float(np.diff(traced).min()) / (CALLS // 2))
    found.add("growth that Python knows of", python, TRACED * slack, "bytes/call", where)
    if sys.platform != "win32":
        process = max(0.0, float(np.diff(resident).min()) / CALLS)
        found.add("growth of the process", process, RESIDENT * slack, "bytes/call", where)
    return found


def _same_bits(found: Findings, first: Answer, second: Answer, where: str) -> None:
    difference = max(
        abs(second.energy - first.energy), float(np.abs(second.forces - first.forces).max())
    )
    if not first.has_the_bits_of(second):
        difference = max(difference, sys.float_info.min)  # the stress alone may differ
    found.add("difference", difference, 0.0, "eV or eV/A", where)


def _is_long_ranged(subject: Subject, calculator: Calculator, samples: Samples) -> bool:
    """Whether an interaction is left well beyond the cutoff that is claimed."""
    cluster = samples.get("FFF")
    if cluster is None or subject.cutoff is None:
        return True
    other = cluster.copy()
    other.positions[:, 0] += 2.0 * subject.cutoff + float(np.ptp(cluster.positions, axis=0).max())
    together = ask(calculator, cluster + other).energy
    alone = ask(calculator, cluster).energy + ask(calculator, other).energy
    return abs(together - alone) > ENERGY


def _closest(atoms: Atoms) -> float:
    distances = atoms.get_all_distances(mic=bool(atoms.pbc.any()))
    return float(distances[np.triu_indices(len(atoms), 1)].min())


def _resident() -> float:
    """Largest memory that the process has had, bytes."""
    gc.collect()
    if sys.platform == "win32":
        return 0.0
    peak = float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    return peak if sys.platform == "darwin" else 1024.0 * peak


def _traced() -> float:
    gc.collect()
    return float(tracemalloc.get_traced_memory()[0])


def _told(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:160]}"
