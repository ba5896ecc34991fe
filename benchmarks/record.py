"""What every benchmark writes beside its figures: machine, versions, commit, time."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from linpot.workflow.provenance import versions

RESULTS = Path(__file__).parent / "results"


def data_folder() -> Path:
    """Return the folder of reference data: LINPOT_DATA, or ../shared/data beside the project."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("LINPOT_DATA", default))
    if not folder.is_dir():
        raise SystemExit("set LINPOT_DATA to the folder that holds the reference data")
    return folder


def write_results(name: str, results: dict[str, Any]) -> Path:
    """Write results with their circumstances to ``benchmarks/results/<name>.json``."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    document = {
        "benchmark": name,
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        "commit": commit(),
        "machine": {"processor": _processor(), "cores": len(os.sched_getaffinity(0))},
        "versions": versions(),
        **results,
    }
    path.write_text(json.dumps(document, indent=1) + "\n")
    return path


def load(name: str) -> dict[str, Any]:
    """Return committed results."""
    results: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())
    return results


def load_if_there(name: str) -> dict[str, Any]:
    """Return committed results; nothing where it was not measured."""
    return load(name) if (RESULTS / f"{name}.json").exists() else {}


def origin(results: dict[str, Any]) -> str:
    """Return the line below a table that says where its figures come from."""
    return (
        f"<sub>`python -m benchmarks.{results['benchmark']}`, {results['date']}, commit "
        f"{results['commit']}, {surroundings(results)}</sub>"
    )


def measured_at(rows: Iterable[tuple[str, str]]) -> list[str]:
    """Return a line for a table whose rows, by name and commit, are not all of one tree."""
    of: dict[str, list[str]] = {}
    for name, own in rows:
        of.setdefault(own, []).append(name)
    if len(of) < 2:
        return []
    told = "; ".join(f"{own}: {', '.join(names)}" for own, names in of.items())
    return ["", f"Measured at commits {told}."]


def surroundings(results: dict[str, Any]) -> str:
    """Return the machine and the versions of results in words."""
    machine, versions = results["machine"], results["versions"]
    cores = "one core" if machine["cores"] == 1 else f"{machine['cores']} cores"
    return (
        f"{machine['processor']} with {cores}, Python {versions['python']}, "
        f"numba {versions['numba']}"
    )


def commit() -> str:
    """Return the commit, marked if files of the package differ from it."""
    commit = _git("rev-parse", "--short", "HEAD")
    return commit + ("+changes" if _git("status", "--porcelain", "--", "../linpot") else "")


def _git(*arguments: str) -> str:
    here = Path(__file__).parent
    run = subprocess.run(["git", *arguments], cwd=here, capture_output=True, text=True)
    return run.stdout.strip()


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
