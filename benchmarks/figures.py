"""
Figures of docs, drawn from the committed results, or from a model without any.

    python -m benchmarks.figures
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

mpl.use("svg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

import linpot
from benchmarks.record import RESULTS
from benchmarks.stages import STAGES
from linpot.structures.neighbors import find_neighbors
from linpot.structures.structure import Structure

FOLDER = Path(__file__).parents[1] / "docs" / "figures"
INK, LIGHT, ACCENT = "#33415c", "#dfe6f2", "#c8553d"
SHADES = ("#b8c4d9", "#5b7fa6", "#8fa3bf", "#c8553d", "#e0a899", "#33415c", "#9aa5b1")


def draw_engine(path: Path) -> None:
    """How a step runs: boxes for data, arrows for kernels, a block in detail."""
    figure, ax = plt.subplots(figsize=(10.5, 4.4))
    ax.set_xlim(0, 105)
    ax.set_ylim(0, 44)
    ax.axis("off")
    top = 34
    for x, width, text in (
        (1, 15, "positions\nlist with skin"),
        (24, 17, "pairs inside\ntheir cutoffs,\nby species"),
        (87, 17, "forces, energies,\natomic virials"),
    ):
        _box(ax, x, top, width, 9, text)
    _arrow(ax, 16, 24, top + 4.5, "pack")
    ax.add_patch(Rectangle((48, 0.5), 34, 43, facecolor="none", edgecolor=INK, lw=1.2))
    ax.text(65, 41.0, "one block of eight centres, in cache", ha="center", fontsize=9, color=INK)
    _arrow(ax, 41, 48, top + 4.5, "8 by 8")
    _arrow(ax, 82, 87, top + 4.5, "add up")
    stages = (
        "slots: 2 neighbors x 8 centres",
        "radial functions, harmonics",
        "densities  A[k, lane]",
        "products, leaves: energy and adjoints",
        "adjoints of densities",
        "gradients by pair vector",
    )
    for k, text in enumerate(stages):
        y = 34.6 - 6.3 * k
        _box(ax, 50.5, y, 29, 4.4, text, LIGHT if k < 4 else "#f6e3de")
        if k:
            ax.annotate(
                "", (65, y + 4.5), (65, y + 6.2), arrowprops={"arrowstyle": "->", "color": INK}
            )
    ax.annotate(
        "radial functions\nkept for the way back",
        (79.8, 29.5), (84.5, 16), fontsize=8, color=ACCENT,
        arrowprops={"arrowstyle": "-", "color": ACCENT, "connectionstyle": "arc3,rad=0.2"},
    )  # fmt: skip
    ax.annotate("", (79.8, 5.2), (87, 14.8), arrowprops={"arrowstyle": "->", "color": ACCENT})
    _slot(ax, 3, 2)
    figure.savefig(path, bbox_inches="tight")
    plt.close(figure)


def _slot(ax: Axes, x: float, y: float) -> None:
    """One slot: two rows of eight lanes for each component."""
    rng = np.random.default_rng(0)
    for component, name in enumerate("xyz"):
        for half in range(2):
            for lane in range(8):
                left, low = x + 4 * lane, y + 17 - 7.5 * component - 3 * half
                shade = SHADES[int(rng.integers(0, 3))]
                ax.add_patch(Rectangle((left, low), 3.8, 2.8, facecolor=shade, edgecolor="white"))
        ax.text(x - 0.8, y + 16.6 - 7.5 * component, name, ha="right", va="center", color=INK)
    ax.text(
        x + 16, y + 21.5, "a slot: lanes are centres 0 .. 7,", ha="center", fontsize=8, color=INK
    )
    ax.text(
        x + 16, y - 2.4, "two rows per component: two neighbors", ha="center", fontsize=8, color=INK
    )


def _box(
    ax: Axes, x: float, y: float, width: float, height: float, text: str, color: str = LIGHT
) -> None:
    ax.add_patch(Rectangle((x, y), width, height, facecolor=color, edgecolor=INK, lw=0.8))
    ax.text(x + width / 2, y + height / 2, text, ha="center", va="center", fontsize=8, color=INK)


def _arrow(ax: Axes, start: float, end: float, y: float, text: str) -> None:
    ax.annotate("", (end, y), (start, y), arrowprops={"arrowstyle": "->", "color": INK})
    ax.text((start + end) / 2, y + 0.8, text, ha="center", fontsize=8, color=INK)


def draw_cost(path: Path, results: dict[str, Any]) -> None:
    """Cost against functions, and the stages of three sizes."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10.5, 3.8), width_ratios=(1, 1.15))
    rows = results["silicon"]["sizes"]
    functions = [row["n_functions"] for row in rows]
    for key, label, color, marker in (
        ("crystal_us", "step, one thread", INK, "o"),
        ("crystal_us_2_threads", "step, two threads", "#5b7fa6", "s"),
        ("learned_us", "learned part alone", ACCENT, "^"),
    ):
        left.loglog(functions, [row[key] for row in rows], marker=marker, color=color, label=label)
    left.axhline(results["anchor_snap_us"]["median"], color="#9aa5b1", ls="--")
    left.text(
        functions[0], results["anchor_snap_us"]["median"] * 1.08, "LAMMPS SNAP, 2J = 8", fontsize=8
    )
    left.set_xlabel("functions")
    left.set_ylabel("us per atom and step")
    left.set_title("1000 silicon atoms, cutoff 5 A", fontsize=10)
    left.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(0.0, 0.72))
    chosen = rows[1:5]
    for k, row in enumerate(chosen):
        begin = 0.0
        for name, shade in zip(STAGES, SHADES, strict=True):
            share = row["stages_us"][name] / sum(row["stages_us"][s] for s in STAGES)
            right.barh(
                k, share, left=begin, color=shade, label=name if k == 0 else None, height=0.6
            )
            begin += share
    right.set_yticks(range(len(chosen)), [str(row["n_functions"]) for row in chosen])
    right.set_ylabel("functions")
    right.set_xlim(0, 1)
    right.set_xlabel("share of the learned part")
    right.legend(frameon=False, fontsize=8, ncol=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    for ax in (left, right):
        ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, bbox_inches="tight")
    plt.close(figure)


def draw_dispersion(path: Path) -> None:
    """Two carbon atoms under all dampings, and what a cutoff leaves out of a crystal of argon."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.0, 3.2))
    r = np.linspace(1.5, 7.0, 200)
    apart = [
        Structure(np.array([6, 6]), [[0, 0, 0], [0, 0, d]], np.zeros((3, 3)), (False,) * 3)
        for d in r
    ]
    settings: tuple[tuple[str, dict[str, Any], str], ...] = (
        ("undamped", {"damping": None}, LIGHT),
        ("Becke-Johnson, R = 2.9 A", {}, INK),
        ("Tang-Toennies, b = 3 / A", {"damping": "tang-toennies", "damping_decays": 3.0}, ACCENT),
    )
    for label, damping, color in settings:
        model = linpot.Dispersion.of_free_atoms(["C"], **damping)
        energies = model.predict_many(apart, forces=False).energies
        left.plot(r, 1e3 * energies, color=color if color != LIGHT else SHADES[2], label=label)
    left.set_ylim(-90, 5)
    left.set_xlabel("distance of two C (A)")
    left.set_ylabel("energy (meV)")
    left.legend(frameon=False, fontsize=8)
    cell = 5.3 / 2 * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]])
    argon = Structure(np.array([18]), np.zeros((1, 3)), cell, (True,) * 3)
    model = linpot.Dispersion.of_free_atoms(["Ar"], damping=None, accuracy=1e-12)
    exact = model.predict(argon, forces=False).energy
    cutoffs = np.arange(4.0, 20.01, 0.1)
    lengths = np.linalg.norm(find_neighbors(argon, 20.1).vectors(argon.positions, cell), axis=1)
    terms = -0.5 * model.coefficients[0] / lengths**6
    cut = np.array([terms[lengths < c].sum() for c in cutoffs])
    right.semilogy(cutoffs, np.abs(cut / exact - 1.0), color=INK)
    right.set_xlabel("cutoff of a plain sum (A)")
    right.set_ylabel("part of the energy left out")
    right.set_title("crystal of argon", fontsize=9)
    figure.tight_layout()
    figure.savefig(path, bbox_inches="tight")
    plt.close(figure)


def draw_coulomb(path: Path) -> None:
    """Na and Cl with charges of 1 e: points, clouds, damped points; alone and over repulsion."""
    figure, panels = plt.subplots(1, 2, figsize=(9.0, 3.2), sharex=True)
    r = np.linspace(0.8, 7.0, 200)
    apart = [
        Structure(np.array([11, 17]), [[0, 0, 0], [0, 0, d]], np.zeros((3, 3)), (False,) * 3)
        for d in r
    ]
    charges = {"Na": 1.0, "Cl": -1.0}
    forms: tuple[tuple[str, dict[str, Any], str], ...] = (
        ("points", {}, INK),
        ("clouds of 1 A", {"widths": dict.fromkeys(charges, 1.0)}, ACCENT),
        ("damped below 2.5 A", {"damping": 2.5}, SHADES[2]),
    )
    pairs = (("Na", "Na"), ("Na", "Cl"), ("Cl", "Cl"))
    repulsion = linpot.ZBL(("Na", "Cl"), dict.fromkeys(pairs, 1.8), dict.fromkeys(pairs, 4.6))
    wall = repulsion.predict_many(apart, forces=False).energies
    for ax, below, title in zip(
        panels, (np.zeros_like(r), wall), ("charges alone", "with ZBL"), strict=True
    ):
        for label, settings, color in forms:
            model = linpot.Coulomb(charges, **settings)
            energies = model.predict_many(apart, forces=False).energies
            ax.plot(r, energies + below, color=color, label=label)
        if below.any():
            ax.plot(r, below, color=INK, ls=":", label="ZBL alone")
        ax.set_ylim(-12, 12)
        ax.set_xlabel("distance of Na and Cl (A)")
        ax.set_title(title, fontsize=9)
        ax.legend(frameon=False, fontsize=8)
    panels[0].set_ylabel("energy (eV)")
    figure.tight_layout()
    figure.savefig(path, bbox_inches="tight")
    plt.close(figure)


def draw_walls(path: Path, results: dict[str, Any]) -> None:
    """Draw a dimer and compressed diamond, with and without what holds them up."""
    curves = results["silicon"]
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.6))
    styles = {
        "default": (ACCENT, "-"),
        "without dense environments": (INK, "--"),
        "without baseline": ("#8fa3bf", ":"),
    }
    for label, (color, line) in styles.items():
        own = curves[label]
        left.plot(curves["distances_A"], own["dimer_eV"], line, color=color, label=label)
        right.plot(curves["scales"], own["diamond_eV_per_atom"], line, color=color, label=label)
    left.set(xlabel="distance of two silicon atoms (A)", ylabel="energy (eV)", ylim=(-25, 60))
    right.set(xlabel="scale of all distances", ylabel="energy of diamond (eV per atom)")
    right.set(ylim=(-25, 60), xlim=(1.0, 0.5))
    for ax in (left, right):
        ax.axhline(0.0, color=LIGHT, lw=0.8, zorder=0)
        ax.spines[["top", "right"]].set_visible(False)
    left.legend(frameon=False, fontsize=8)
    figure.tight_layout()
    figure.savefig(path, bbox_inches="tight")
    plt.close(figure)


def draw_chain(path: Path, profiles: dict[str, Any]) -> None:
    """Charges of the carbon atoms along a chain, with and without a proton at its end."""
    figure, axes = plt.subplots(1, 2, figsize=(9.5, 3.4), sharey=True)
    best = {
        "reference": ("#9aa5b1", "o", "-", 7),
        "local": (INK, "v", ":", 5),
        "self_consistent": (ACCENT, "s", "--", 4),
    }
    titles = {"neutral": "C10H2, neutral", "total charge +1": "C10H3, with a proton: +1 e"}
    for ax, (name, title) in zip(axes, titles.items(), strict=True):
        own = profiles[name]
        for label, (color, marker, line, size) in best.items():
            charges = own[label]
            ax.plot(
                range(1, len(charges) + 1), charges, line, marker=marker, ms=size, color=color,
                label=label.replace("_", "-"),
            )  # fmt: skip
        ax.axhline(0.0, color=LIGHT, lw=0.8, zorder=0)
        ax.set(title=title, xlabel="carbon atom along the chain", xticks=range(1, 11))
        ax.title.set_fontsize(10)
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("charge (e)")
    axes[0].legend(frameon=False, fontsize=8)
    figure.tight_layout()
    figure.savefig(path, bbox_inches="tight")
    plt.close(figure)


FAMILIES = {
    "ace": (ACCENT, "o"),
    "soap": ("#5b7fa6", "s"),
    "snap": (INK, "^"),
    "qsnap": ("#8fa3bf", "v"),
    "mtp": ("#7a9a4f", "D"),
}


def draw_families(path: Path, results: dict[str, Any]) -> None:
    """Error of test forces against time per atom, a panel for each element."""
    times = {(row["element"], row["family"]): row["us_per_atom"] for row in results["cost"]}
    elements = list(dict.fromkeys(row["element"] for row in results["accuracy"]))
    figure, panels = plt.subplots(1, len(elements), figsize=(10.0, 3.9))
    for ax, element in zip(panels, elements, strict=True):
        points: dict[tuple[str, bool], list[tuple[float, float, int]]] = {}
        for row in results["accuracy"]:
            if row["element"] == element and (element, row["family"]) in times:
                key = re.split("[ ,]", row["family"])[0], "published" in row["family"]
                point = times[element, row["family"]], row["forces_mae"], row["functions"]
                points.setdefault(key, []).append(point)
        for (family, published), own in points.items():
            color, marker = FAMILIES[family]
            x, y, n = zip(*sorted(own), strict=True)
            ax.plot(
                x, y, marker=marker, color=color, ls="-" if family == "ace" else "",
                mfc="white" if published else color, label=None if published else family,
            )  # fmt: skip
            for at, error, functions in zip(x, y, n, strict=True):
                ax.annotate(
                    str(functions), (at, error), xytext=(5, 4), textcoords="offset points",
                    fontsize=7, color=color,
                )  # fmt: skip
        ax.set(xscale="log", yscale="log", xlabel="us per atom, one thread", title=element)
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_formatter(mpl.ticker.FormatStrFormatter("%g"))
            axis.set_minor_formatter(mpl.ticker.FormatStrFormatter("%g"))
        ax.tick_params(which="both", labelsize=8)
        ax.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("MAE of test forces (eV/A)")
    panels[0].plot([], [], "o", color=INK, mfc="white", label="published, run in linpot")
    panels[0].legend(frameon=False, fontsize=8)
    figure.tight_layout()
    figure.savefig(path, bbox_inches="tight")
    plt.close(figure)


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    mpl.rcParams["svg.hashsalt"] = "linpot"
    mpl.rcParams["savefig.facecolor"] = "white"
    draw_engine(FOLDER / "engine.svg")
    draw_cost(FOLDER / "cost.svg", json.loads((RESULTS / "engine.json").read_text()))
    draw_dispersion(FOLDER / "dispersion.svg")
    draw_coulomb(FOLDER / "coulomb.svg")
    draw_walls(FOLDER / "walls.svg", json.loads((RESULTS / "walls.json").read_text()))
    chain = json.loads((RESULTS / "charges_qeq_charges_4g_carbon_chain.json").read_text())
    draw_chain(FOLDER / "chain.svg", chain["4g_carbon_chain"]["profiles"])
    families = json.loads((RESULTS / "families.json").read_text())
    if "cost" in families:
        draw_families(FOLDER / "families.svg", families)


if __name__ == "__main__":
    main()
