"""
Radial functions of SNAP: neighbors on the unit sphere in four dimensions.

A neighbor at distance r is a point of that sphere with polar angle ``t = rfac0 pi (r - rmin0) /
(cutoff - rmin0)``; hyperspherical harmonics are ``sin^l t C^(l+1)_(2j-l)(cos t) Y_lm`` up to norm,
with C the polynomials of Gegenbauer.

References
----------
Bartok et al., Phys. Rev. B 87, 184115 (2013), section II E; Thompson et al., J. Comput. Phys. 285,
316 (2015), eq. 2-3 (the angle), eq. 10 (the switch).
"""

from __future__ import annotations

import math

from linpot.kernels.compile import kernel
from linpot.kernels.elementary import quarter_turn
from linpot.kernels.lanes import (
    at,
    choose_below,
    filled,
    fma,
    larger,
    smaller,
    store,
)


@kernel
def fill_hyperspherical(
    r, parameters, first, last, channel_radial, channel_weight, radial, d_radial
):
    """
    Evaluate ``w_c R_q(c)(r)`` of a range of channels and, if asked for, its derivative.

    ``R_q = f(r) sin^l t C^(l+1)_n(cos t)``; q counts n = 0 .. 2J - l for l = 0, then l = 1, to 2J.
    f falls from 1 at rmin0 as ``(1 + cos)/2`` to 0 at the cutoff and, with an inner switch, rises
    from 0 at its start as ``(1 - cos)/2`` to 1 at its end.

    Parameters
    ----------
    r : lanes or pairs, A
        Up to the cutoff, where all functions vanish.
    parameters : float64[6]
        Cutoff, rfac0, rmin0, start and end of the inner switch (A, both 0 for none), 2J.
    first, last : int
        Range of channels.
    channel_radial : int64[n_channels]
        Function of each channel, ascending in the range.
    channel_weight : float64[n_channels]
    radial : float64[(last - first) * width of r], out
    d_radial : as radial, or None, out, 1/A
    """
    cutoff, factor, nearest = parameters[0], parameters[1], parameters[2]
    start, end, highest = parameters[3], parameters[4], int(parameters[5])
    inverse = 1.0 / (cutoff - nearest)
    u = (r - nearest) * inverse
    cosine, sine = quarter_turn(smaller(larger(u, 0.0), 1.0))
    envelope = cosine * cosine
    d_envelope = cosine * sine * (-math.pi * inverse)
    if end > 0.0:
        width = 1.0 / (end - start)
        cosine, sine = quarter_turn(smaller(larger((r - start) * width, 0.0), 1.0))
        d_rise = cosine * sine * (math.pi * width)
        d_envelope = d_envelope * sine * sine + envelope * d_rise
        envelope = envelope * sine * sine
    # half the angle; below rmin0 it is negative, and the sphere is left by its other side
    half_cosine, half_sine = quarter_turn(smaller(larger(u, u * (-1.0)) * factor, 1.0))
    x = (half_cosine * half_cosine - half_sine * half_sine) * choose_below(
        u, 0.0, filled(u, -1.0), filled(u, 1.0)
    )
    s = half_cosine * half_sine * 2.0
    turn = math.pi * factor * inverse
    dx, ds = s * (-turn), x * turn
    power, d_power = envelope, d_envelope
    c, q = first, 0
    for l in range(highest + 1):
        previous, current = filled(r, 0.0), power
        d_previous, d_current = filled(r, 0.0), d_power
        for n in range(highest - l + 1):
            if n > 0:
                a, b = 2.0 * (n + l) / n, -(n + 2.0 * l) / n
                if d_radial is not None:
                    slope = fma(dx * a, current, d_previous * b)
                    d_previous, d_current = d_current, fma(x * a, d_current, slope)
                following = fma(x * a, current, previous * b)
                previous, current = current, following
            while c < last and at(channel_radial, c) == q:
                store(radial, c - first, current * at(channel_weight, c))
                if d_radial is not None:
                    store(d_radial, c - first, d_current * at(channel_weight, c))
                c += 1
            q += 1
        d_power = fma(d_power, s, power * ds)
        power = power * s
