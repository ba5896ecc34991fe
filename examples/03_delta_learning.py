# %% [markdown]
# # Delta learning: the difference to a cheap method
#
# GFN1-xTB knows chemistry, but not the functional that the data were made with. A potential that
# learns the difference needs fewer structures than one that learns everything. Here: ethanol of
# rMD17 (PBE), 50 structures to learn from. Needs `pip install tblite`, and the path of the data in
# LINPOT_DATA (folder rmd17); without the data, both are made on the spot with another method.

# %%
import os
import tempfile
from pathlib import Path

import numpy as np

import linpot

folder = Path(os.environ.get("LINPOT_DATA", "../shared/data")) / "rmd17"
train = linpot.read_dataset(folder / "ethanol_train_split01.extxyz.gz")[:50]
test = linpot.read_dataset(folder / "ethanol_test_split01.extxyz.gz")[:200]

# %% [markdown]
# The baseline is named, not pickled: a potential file says "tblite" and the method. Your own
# calculators get a name with `linpot.register_calculator(name, factory)`.

# %%
cache = linpot.DiskCache(Path(tempfile.gettempdir()) / "linpot-xtb")
xtb = linpot.CalculatorBaseline("tblite", {"method": "GFN1-xTB"}, cache=cache)
