"""Radial functions of eight pairs at once, by their recurrence."""

from __future__ import annotations

import math

from linpot.kernels.compile import kernel
from linpot.kernels.elementary import exponential, quarter_turn
from linpot.kernels.lanes import fma, larger, smaller, splat, store


@kernel
def fill_radial(r, parameters, recurrence, channel_radial, channel_weight, radial, d_radial):
    """
    Evaluate ``w_c R_q(c)(r)`` of every channel and, if asked for, its derivative.

    Parameters
    ----------
    r : lanes, A
        At the cutoff all functions vanish: padding puts its pairs there.
    parameters : float64[4]
        Cutoff, decay, taper_start, taper_end.
    recurrence : float64[n_radial, 3]
    channel_radial : int64[n_channels]
        Radial function of each channel, ascending.
    channel_weight : float64[n_channels]
    radial : float64[n_channels * 8], out
    d_radial : float64[n_channels * 8] or None, out, 1/A
    """
    cutoff, decay, start, end = parameters[0], parameters[1], parameters[2], parameters[3]
    floor = math.exp(-decay)
    scale = 2.0 / (1.0 - floor)
    decayed = exponential(r * (-decay / cutoff))
    x = splat(1.0 + scale * floor) - decayed * scale
    dx = decayed * (scale * decay / cutoff)
    cosine, sine = quarter_turn(smaller(r * (1.0 / cutoff), splat(1.0)))
    rest = 1.0 - x
    envelope = cosine * cosine * rest
    d_envelope = cosine * sine * rest * (-math.pi / cutoff) - cosine * cosine * dx
    if end > 0.0:
        t = smaller(larger((r - start) * (1.0 / (end - start)), splat(0.0)), splat(1.0))
        switch = t * t * t * fma(t, fma(t, splat(6.0), splat(-15.0)), splat(10.0))
        bump = t * (1.0 - t)
        d_envelope = d_envelope * switch + envelope * bump * bump * (30.0 / (end - start))
        envelope = envelope * switch
    previous, current = splat(0.0), envelope * recurrence[0, 0]
    d_previous, d_current = splat(0.0), d_envelope * recurrence[0, 0]
    c = 0
    for n in range(len(recurrence)):
        if n > 0:
            factor = fma(x, splat(recurrence[n, 0]), splat(recurrence[n, 1]))
            if d_radial is not None:
                d_next = fma(
                    factor,
                    d_current,
                    dx * current * recurrence[n, 0] - d_previous * recurrence[n, 2],
                )
                d_previous, d_current = d_current, d_next
            following = fma(factor, current, previous * (-recurrence[n, 2]))
            previous, current = current, following
        while c < len(channel_radial) and channel_radial[c] == n:
            store(radial, c, current * channel_weight[c])
            if d_radial is not None:
                store(d_radial, c, d_current * channel_weight[c])
            c += 1
