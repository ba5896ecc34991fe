"""Functions that decide about charges are held in check where there are no data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from test_charge_training import empty, labelled, molecules
from test_equilibrated_training import labelled as labelled_by
from test_equilibrated_training import qeq
from test_local_charges import model

import linpot
from linpot.charges.charge_fit import fit_charges
from linpot.charges.equilibrated_fit import fit_equilibrated
from linpot.charges.equilibrated_parameters import EquilibratedParameters
from linpot.charges.moderation import Moderation, outside_rows
from linpot.model.packing import pack
from linpot.validation.compression import compressed
from linpot.workflow.charges import PUSHED


def dense(structures):
    return [compressed(one, 0.6) for one in structures]


def values(function, structures):
    """What a function says of every atom, and the species."""
    batches = [pack([one], function.basis.elements, function.cutoffs) for one in structures]
    return (
        np.concatenate([function.values(batch)[:, 0] for batch in batches]),
        np.concatenate([batch.species for batch in batches]),
    )


def test_rows_measure_how_far_values_go_outside_of_the_data():
    data, unseen, function = molecules(20, 0), dense(molecules(10, 500)), model().function
    moderation = Moderation.of(function, data, unseen)
    inside, species = values(function, data)
    outside, others = values(function, unseen)
    means = np.array([inside[species == z].mean() for z in range(2)])
    expected = ((outside - means[others]) ** 2).sum() / inside.var()
    parameters = function.parameters[0]
    rows = moderation.rows(parameters)
    assert expected > 100.0  # 60 atoms: polynomials run away
    assert np.linalg.norm(rows @ parameters) ** 2 == pytest.approx(expected, rel=1e-10)
    # as rows of a linearised problem they ask for a product of zero
    counted = outside_rows(rows, 0.1, parameters)
    np.testing.assert_allclose(counted[:, :-1] @ parameters + counted[:, -1], 0.0, atol=1e-10)


def test_functions_without_any_difference_are_not_held():
    function = model().function
    moderation = Moderation.of(function, molecules(3, 0), dense(molecules(3, 1)))
    same = np.append(np.zeros(function.basis.n_features), [2.0, 2.0])
    assert moderation.rows(same).shape == (0, function.n_parameters)


def test_local_charges_stay_small_where_there_are_no_data():
    data = labelled(molecules(30, 0), model(), "charges")
    unseen = dense(molecules(10, 500))
    free = fit_charges(empty(), data)
    moderation = Moderation.of(free.function, data, unseen)
    held = fit_charges(empty(), data, moderation=moderation)
    means = {one: values(one.function, unseen)[0] for one in (free, held)}
    # the noise of exact data is that of rounding: the rows count little, and yet they are seen
    assert np.abs(means[held]).max() <= np.abs(means[free]).max()
    noisy = linpot.Dataset(
        [
            one.with_labels(
                replace(
                    one.labels,
                    charges=one.labels.charges + 0.02 * np.random.default_rng(k).normal(size=6),
                )
            )
            for k, one in enumerate(data)
        ]
    )
    free, held = fit_charges(empty(), noisy), fit_charges(empty(), noisy, moderation=moderation)
    assert np.abs(values(held.function, unseen)[0]).max() < 0.7 * (
        np.abs(values(free.function, unseen)[0]).max()
    )


def test_electronegativities_and_hardness_are_held_together():
    known = qeq()
    data = labelled_by(known, 12)
    free = ("electronegativity", "hardness", "environment_hardness")
    extended = replace(
        known,
        function=known.function.with_parameters(
            np.vstack([known.function.parameters, np.zeros((1, known.function.n_parameters))])
        ),
    )
    layout = EquilibratedParameters(extended, free)
    moderation = Moderation.of(extended.function, data, dense(list(data)))
    rows = layout.outside(moderation)
    assert rows.shape[1] == layout.n_parameters
    seen = np.abs(rows).max(axis=0) > 0.0
    assert seen[layout.slices["electronegativity"]][: known.function.basis.n_features].all()
    assert seen[layout.slices["environment_hardness"]].all()
    assert not seen[layout.slices["hardness"]].any()
    held = fit_equilibrated(known, data, outside=EquilibratedParameters(
        known, ("electronegativity",)).outside(moderation))  # fmt: skip
    assert np.isfinite(held.function.parameters).all()


def test_a_fit_holds_charges_in_dense_environments_and_rows_of_three_atoms(monkeypatch):
    seen = []
    monkeypatch.setattr(
        "linpot.charges.local_rungs.Moderation.of",
        classmethod(
            lambda cls, function, data, unseen, threads=1: (
                seen.append(unseen)
                or cls(
                    np.zeros(function.n_parameters),
                    np.eye(function.n_parameters),
                    np.zeros((0, function.n_parameters)),
                )
            )
        ),
    )
    data = labelled(molecules(8, 0), model(), "energy", "forces", "charges")
    linpot.fit(
        data, n_functions=6, body_order=3, cutoff=3.5, allow_holes=True,
        charges={"local": {"n_functions": 6, "body_order": 3}},
    )  # fmt: skip
    names = [one.name for one in seen[0]]
    assert sum("environment" in name for name in names) == 200
    assert sum(name.startswith("H-O-O") for name in names) == 2 * len(PUSHED)
