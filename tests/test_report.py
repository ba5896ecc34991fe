"""Figures and the numbers behind them."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

import linpot
from linpot.report.comparison import compare
from linpot.report.figures import draw_fit, save_figure
from linpot.validation.dimers import dimer_curve

ZBL = linpot.ZBL(("Cu",), {("Cu", "Cu"): 1.0}, {("Cu", "Cu"): 3.0})


@pytest.fixture(scope="module")
def data() -> linpot.Dataset:
    crystal = bulk("Cu", cubic=True)
    labels = {"energy": 1.0, "forces": np.ones((4, 3))}
    images = []
    for atoms, own in ((crystal, labels), (Atoms("Cu"), {"energy": -3.0}), (crystal.copy(), {})):
        atoms.info |= {k: v for k, v in own.items() if k == "energy"}
        if "forces" in own:
            atoms.set_array("forces", own["forces"])
        images.append(atoms)
    return linpot.Dataset.from_atoms(images)


def test_comparison_holds_labels_and_predictions_without_isolated_atoms(data):
    found = compare(ZBL, data, "train")
    prediction = ZBL.predict(data[0])
    np.testing.assert_array_equal(found.energies, [[0.25], [prediction.energy / 4]])
    assert prediction.energy > 0.1
    np.testing.assert_array_equal(found.forces[0], np.ones(12))
    np.testing.assert_array_equal(found.forces[1], prediction.forces.ravel())


def test_figure_has_labelled_panels_and_is_saved(data, tmp_path):
    curve = dimer_curve(ZBL, ("Cu", "Cu"), 2.2)
    figure = draw_fit([compare(ZBL, data, "train")], [curve])
    assert [axes.get_xlabel() for axes in figure.axes] == [
        "reference energy (eV/atom)",
        "reference force component (eV/A)",
        "distance (A)",
    ]
    save_figure(figure, tmp_path / "fit.png")
    assert (tmp_path / "fit.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(linpot.InputError, match="exists"):
        save_figure(figure, tmp_path / "fit.png")


def test_figure_says_where_labels_are_missing(data):
    figure = draw_fit([compare(ZBL, data[2:], "train")], [])
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert texts == ["no labels: energy", "no labels: force component"]
