# %% [markdown]
# # Delta learning: the difference to a cheap method
#
# GFN1-xTB knows chemistry, but not the functional that the data were made with. A potential that
# learns the difference needs fewer structures than one that learns everything. Here: 50 structures
# of ethanol, rMD17 (PBE). Needs `pip install tblite` and the data in the folder `rmd17` of
# LINPOT_DATA.

# %%
import importlib.util
import os
import tempfile
from pathlib import Path

import numpy as np

import linpot

folder = Path(os.environ.get("LINPOT_DATA", "../shared/data")) / "rmd17"
if not folder.is_dir() or importlib.util.find_spec("tblite") is None:
    raise SystemExit("this example needs the package tblite, and the data in LINPOT_DATA")
train = linpot.read_dataset(folder / "ethanol_train_split01.extxyz.gz")[:50]
test = linpot.read_dataset(folder / "ethanol_test_split01.extxyz.gz")[:200]

# %% [markdown]
# The baseline is a name and plain parameters: that is what a potential file holds. Calculators of
# your own get a name by `linpot.register_calculator(name, factory)`. Results are kept by content,
# here in a folder, so that every structure is evaluated once, also by the next run.

# %%
cache = linpot.DiskCache(Path(tempfile.gettempdir()) / "linpot-xtb")
xtb = linpot.CalculatorBaseline("tblite", {"method": "GFN1-xTB"}, cache=cache)

results = {
    name: linpot.run_fit(
        train, test=test, settings=linpot.FitSettings(n_functions=300, baseline=baseline)
    )
    for name, baseline in (("all of it", "zbl"), ("the difference", xtb))
}
for name, result in results.items():
    found = result.test["all"]
    print(
        f"{name:15s} energy {1e3 * found['energy']['mae']:5.2f} meV/atom   "
        f"forces {1e3 * found['forces']['mae']:5.1f} meV/A"
    )
direct, learned = (result.test["all"]["forces"]["mae"] for result in results.values())

# %% One file: the learned part, and the name of the calculator to add
with tempfile.TemporaryDirectory() as temporary:
    path = Path(temporary) / "ethanol.linpot"
    linpot.save(results["the difference"].potential, path)
    potential = linpot.load(path)

# %%
before = results["the difference"].potential.predict(test[0])
# the calculator runs again, and its threads may add up in another order: not always the same bits
assert np.allclose(potential.predict(test[0]).forces, before.forces, rtol=0.0, atol=1e-6)
assert learned < 0.5 * direct
