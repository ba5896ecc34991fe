"""Compiled kernels: on any processor the same numbers, once per machine, announced beforehand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = """
import json, sys, time
import numpy as np
import linpot
from linpot.kernels import engine
from linpot.kernels.compile import kernels_are_compiled

compiled = kernels_are_compiled()
radial = linpot.RadialParameters(cutoff=5.0)
pairs = [("Ni", "Ni"), ("Al", "Ni"), ("Al", "Al")]
specification = linpot.BasisSpecification(
    ("Al", "Ni"), {pair: radial for pair in pairs}, body_order=4, n_functions=60
)
basis = linpot.build_basis(specification)
rng = np.random.default_rng(0)
coefficients = rng.normal(size=basis.n_features) * 0.01
potential = linpot.LinearPotential(basis, coefficients, {"Al": 0.0, "Ni": 0.0})
repulsion = linpot.ZBL(
    ("Al", "Ni"), {pair: 1.5 for pair in pairs}, {pair: 3.0 for pair in pairs}
)
n = 24
structure = linpot.Structure(
    rng.choice([13, 28], size=n), rng.uniform(0, 8, size=(n, 3)), np.eye(3) * 8.0, (True,) * 3
)
begin = time.perf_counter()
prediction = (potential + repulsion).predict(structure)
rows = potential.design(structure)
seconds = time.perf_counter() - begin
from_cache = sum(engine.evaluate_blocks.stats.cache_hits.values())
misses = sum(engine.evaluate_blocks.stats.cache_misses.values())
json.dump({
    "values": [prediction.energy, *prediction.forces.ravel(), *prediction.virial.ravel()],
    "rows": rows[:, ::7].ravel().tolist(),
    "compiled": compiled, "hits": from_cache, "misses": misses, "seconds": seconds,
}, sys.stdout)
"""


def run(folder: Path, cpu: str | None) -> dict:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(folder)}
    if cpu:
        environment |= {"NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": FEATURES[cpu]}
    output = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True
    )
    return json.loads(output.stdout)


# a name alone does not take away what the machine has: features are listed with it
FEATURES = {
    "generic": "",
    "haswell": "+avx,+avx2,+fma,+bmi,+bmi2,+popcnt,+sse4.2",
}


@pytest.fixture(scope="module")
def native(tmp_path_factory) -> tuple[Path, dict]:
    folder = tmp_path_factory.mktemp("native")
    return folder, run(folder, None)


@pytest.mark.parametrize("cpu", ["generic", "haswell"])
def test_other_processors_give_the_same_results(native, cpu, tmp_path):
    """Without fused multiply-adds, in registers of 2 and 4 numbers: but for rounding."""
    _, own = native
    other = run(tmp_path, cpu)
    for name in ("values", "rows"):
        expected = np.array(own[name])
        scale = np.abs(expected).max()
        assert scale > 1e-3
        assert np.allclose(other[name], expected, rtol=0, atol=1e-12 * scale)
    if cpu == "generic":
        assert other["values"] != own["values"]  # otherwise the setting had no effect


def test_a_second_process_compiles_nothing(native):
    folder, first = native
    assert not first["compiled"]  # which the command line announces
    assert first["misses"] == 1
    again = run(folder, None)
    assert again["compiled"]
    assert again["misses"] == 0
    assert again["hits"] == 1
    assert again["values"] == first["values"]
