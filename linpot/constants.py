"""Physical constants and conversions, each with its source."""

from __future__ import annotations

import math

# CODATA 2018: e^2 / (4 pi eps0) = 1.43996454784... eV nm.
COULOMB = 14.399645478425668
"""Coulomb constant e^2 / (4 pi eps0), eV A."""

# 1 eV/A^3 = 1.602176634e-19 J / 1e-30 m^3, exact since the 2019 SI.
GPA_PER_EV_A3 = 160.2176634
"""Pressure of 1 eV/A^3 in GPa."""

SQRT_4PI = math.sqrt(4.0 * math.pi)
"""Ratio of linpot's harmonics (Y_00 = 1) to orthonormal ones."""
