# %% [markdown]
# # Why body order matters: environments that look the same
#
# A function of body order b sees tuples of b - 1 neighbors. Two different environments whose pairs
# (or triples) of neighbors are the same, one by one, have the same features up to that order: no
# fit can give them different atomic energies. See Pozdnyakov et al., Phys. Rev. Lett. 125, 166001
# (2020). The features are parity-even: mirror images are always the same.

# %%
import numpy as np
from ase import Atoms

import linpot

angles = np.array([[0, 1, 3, 4], [0, 1, 2, 5]]) * np.pi / 4
four = 2.0 * np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=-1)

h = 0.7
six = 2.0 * np.array(
    [
        [[-1, 0, -h], [0, -1, -h], [-1, 0, 0], [0, 1, 0], [1, 0, h], [0, 1, h]],
        [[1, 0, -h], [0, 1, -h], [1, 0, 0], [0, 1, 0], [-1, 0, h], [0, -1, h]],
    ]
)

# %% [markdown]
# The four neighbors lie on a circle at multiples of 45 degrees. Between them are the same six
# angles in both environments, but not the same triangles.

# %%
for environment in four:
    pairs = np.sort((environment @ environment.T)[np.triu_indices(4, 1)] / 4.0)
    print("cosines between neighbors:", np.round(pairs, 3))


# %%
def features(points: np.ndarray, basis: linpot.Basis) -> np.ndarray:
    """Features of a silicon atom with neighbors at these points."""
    atoms = Atoms(f"Si{len(points) + 1}", np.concatenate([np.zeros((1, 3)), points]))
    return linpot.descriptors(basis, atoms)[0]


specification = linpot.BasisSpecification(
    ("Si",),
    {("Si", "Si"): linpot.RadialParameters(cutoff=5.0)},
    body_order=5,
    max_degree=[8, 8, 8, 6],
    l_max=4,
)
basis = linpot.build_basis(specification)
orders = basis.programs[0].body_orders


def differences(pair: np.ndarray) -> dict[int, float]:
    """Largest difference for every body order, relative to the largest feature."""
    first, second = (features(points, basis) for points in pair)
    return {
        int(b): float(np.abs(first - second)[orders == b].max() / np.abs(first[orders == b]).max())
        for b in np.unique(orders)
    }


# %%
print("body order   4 neighbors   6 neighbors")
of_four, of_six = differences(four), differences(six)
for body_order in of_four:
    print(f"{body_order:10d}   {of_four[body_order]:11.1e}   {of_six[body_order]:11.1e}")

# %% [markdown]
# Pairs of neighbors (body order 3) do not tell the first two environments apart, triples (body
# order 4) do not tell the second two apart; one order more does. In a real structure the
# neighbors have energies too, and theirs differ: this is why models of body order 3 and 4 are
# better than these examples make them look.

# %%
assert max(of_four[b] for b in (2, 3)) < 1e-10
assert of_four[4] > 1e-2
assert max(of_six[b] for b in (2, 3, 4)) < 1e-10
assert of_six[5] > 1e-2
