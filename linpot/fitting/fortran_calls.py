"""
Routines of BLAS and LAPACK through the pointers that scipy keeps, without the interpreter lock.

scipy's own wrappers hold the lock while they work, so threads cannot share a factorisation; and
they have no place for parts of a matrix, nor all of the routines.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cython_blas, cython_lapack

Floats = NDArray[np.float64]


def call(name: str, *arguments: Any) -> None:
    """
    Call a routine.

    Parameters
    ----------
    name : str
        Such as ``"dgemm"``.
    *arguments : bytes, int, float, ndarray, or a ctypes number that the routine may change
        In the order of the routine. Matrices in Fortran order, which may be parts of larger ones:
        `leading` is the distance of their columns.
    """
    held = [_held(argument) for argument in arguments]
    _routine(name)(*(_pointer(value) for value in held))


def leading(matrix: Floats) -> int:
    """Return the distance of the columns of a matrix in Fortran order, or of a part of one."""
    if matrix.dtype != np.float64 or (len(matrix) > 1 and matrix.strides[0] != 8):
        raise ValueError(f"not double precision in Fortran order: {matrix.dtype} {matrix.strides}")
    # the distance of a single column is not used, but must not be smaller than its length
    return max(matrix.strides[1] // 8 if matrix.shape[1] > 1 else 0, len(matrix), 1)


def add_product(target: Floats, sign: float, a: Floats, b: Floats, *, transposed: bool) -> None:
    """
    Add ``sign * a @ b``, or ``sign * a.T @ b``, to a matrix in place.

    Parameters
    ----------
    target : float64[m, n]
    sign : float
    a : float64[m, k], or float64[k, m] if `transposed`
    b : float64[k, n]
        All in Fortran order, or parts of such matrices.
    transposed : bool
    """
    (m, n), k = target.shape, len(b)
    call(
        *("dgemm", b"T" if transposed else b"N", b"N", m, n, k, float(sign)),
        *(a, leading(a), b, leading(b), 1.0, target, leading(target)),
    )


def _held(argument: Any) -> Any:
    if isinstance(argument, int):
        return ctypes.c_int(argument)
    return ctypes.c_double(argument) if isinstance(argument, float) else argument


def _pointer(value: Any) -> Any:
    if isinstance(value, bytes):
        return ctypes.c_char_p(value)
    if isinstance(value, np.ndarray):
        return ctypes.c_void_p(value.ctypes.data)
    return ctypes.byref(value)


@cache
def _routine(name: str) -> Any:
    library = cython_blas if name in cython_blas.__pyx_capi__ else cython_lapack
    capsule = library.__pyx_capi__[name]
    get_name = ctypes.pythonapi.PyCapsule_GetName
    get_name.restype, get_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return ctypes.CFUNCTYPE(None)(get(capsule, get_name(capsule)))
