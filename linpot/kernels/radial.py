"""Radial functions of many pairs at once, by their recurrence."""

from __future__ import annotations

import math

from linpot.kernels.compile import kernel
from linpot.kernels.elementary import exponential, quarter_turn
from linpot.kernels.lanes import at, filled, fma, larger, smaller, store


@kernel
def fill_radial(
    r, parameters, recurrence, first, last, channel_radial, channel_weight, radial, d_radial
):
    """
    Evaluate ``w_c R_q(c)(r)`` of a range of channels and, if asked for, its derivative.

    Parameters
    ----------
    r : lanes or pairs, A
        At the cutoff all functions vanish: padding puts its pairs there.
    parameters : float64[4]
        Cutoff, decay, taper_start, taper_end.
    recurrence : float64[n_radial, 3]
    first, last : int
        Range of channels.
    channel_radial : int64[n_channels]
        Radial function of each channel, ascending in the range.
    channel_weight : float64[n_channels]
    radial : float64[(last - first) * width of r], out
    d_radial : as radial, or None, out, 1/A
    """
    cutoff, decay, start, end = parameters[0], parameters[1], parameters[2], parameters[3]
    floor = math.exp(-decay)
    scale = 2.0 / (1.0 - floor)
    decayed = exponential(r * (-decay / cutoff))
    x = fma(decayed, -scale, 1.0 + scale * floor)
    dx = decayed * (scale * decay / cutoff)
    cosine, sine = quarter_turn(smaller(r * (1.0 / cutoff), 1.0))
    rest = 1.0 - x
    square = cosine * cosine
    envelope = square * rest
    d_envelope = cosine * sine * rest * (-math.pi / cutoff) - square * dx
    if end > 0.0:
        t = smaller(larger((r - start) * (1.0 / (end - start)), 0.0), 1.0)
        switch = t * t * t * fma(t, fma(t, 6.0, -15.0), 10.0)
        bump = t * (1.0 - t)
        d_envelope = d_envelope * switch + envelope * bump * bump * (30.0 / (end - start))
        envelope = envelope * switch
    previous, current = filled(r, 0.0), envelope * recurrence[0, 0]
    d_previous, d_current = filled(r, 0.0), d_envelope * recurrence[0, 0]
    c = first
    for n in range(len(recurrence)):
        if n > 0:
            row = recurrence[n]
            factor = fma(x, row[0], row[1])
            if d_radial is not None:
                slope = fma(dx * row[0], current, d_previous * (-row[2]))
                d_previous, d_current = d_current, fma(factor, d_current, slope)
            following = fma(factor, current, previous * (-row[2]))
            previous, current = current, following
        while c < last and at(channel_radial, c) == n:
            store(radial, c - first, current * at(channel_weight, c))
            if d_radial is not None:
                store(d_radial, c - first, d_current * at(channel_weight, c))
            c += 1
