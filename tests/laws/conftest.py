"""Every law runs over these models and structures."""

from __future__ import annotations

import pytest
from cases import BULK, MODELS, PERIODIC, STRUCTURES, structure_for

from linpot.model.protocol import EnergyModel
from linpot.structures.structure import Structure


@pytest.fixture(params=list(MODELS))
def model(request) -> EnergyModel:
    return MODELS[request.param]()


@pytest.fixture(params=list(STRUCTURES))
def structure(request, model: EnergyModel) -> Structure:
    return structure_for(request.param, model)


@pytest.fixture(params=PERIODIC)
def periodic(request, model: EnergyModel) -> Structure:
    return structure_for(request.param, model)


@pytest.fixture(params=BULK)
def crystal(request, model: EnergyModel) -> Structure:
    return structure_for(request.param, model)
