"""
How kernels are compiled and cached.

numba's cache looks only at the file of the function itself, so that an edited callee would be
served stale. Here the cache folder is named by a hash of all kernel sources: an edited kernel
never meets an old cache.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def _cache_folder() -> str:
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    root = os.environ.get("NUMBA_CACHE_DIR") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache"),
        "linpot",
    )
    return os.path.join(root, f"kernels-{digest.hexdigest()[:16]}")


_FOLDER = _cache_folder()


def kernels_are_compiled() -> bool:
    """Whether an earlier process has left compiled kernels in the cache."""
    return any(Path(_FOLDER).rglob("*.nbc"))


def kernel(function: Function) -> Function:
    """
    Compile a function without the interpreter lock and cache the result on disk.

    No fast-math flags: numba would put them on the exact sums of `elementary` too. Lanes say for
    themselves what may be fused.
    """
    previous = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = _FOLDER
    try:
        return numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    finally:
        numba.config.CACHE_DIR = previous
