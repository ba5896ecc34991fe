"""The exceptions that linpot raises on purpose."""

from __future__ import annotations


class InputError(ValueError):
    """A value or combination given by the user is wrong; the message names it and the remedy."""


class FileFormatError(InputError):
    """A file cannot be read as what it claims to be; the message names the file and the place."""


class ExtrapolationError(RuntimeError):
    """A simulation has left what a potential knows; the message names the atom and its grade."""


class HoleError(RuntimeError):
    """A potential lets atoms fall into each other; the message names where and the remedy."""


class ConvergenceError(RuntimeError):
    """
    An iteration stopped before its tolerance was met.

    Attributes
    ----------
    iterations : int
    residual : float
    """

    def __init__(self, message: str, *, iterations: int, residual: float) -> None:
        super().__init__(f"{message} (iterations: {iterations}, residual: {residual:.3g})")
        self.iterations = iterations
        self.residual = residual
