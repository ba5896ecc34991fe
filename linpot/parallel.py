"""Threads: independent tasks that each write only what is theirs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import cache
from itertools import islice, pairwise
from typing import TypeVar

from threadpoolctl import ThreadpoolController

Task = TypeVar("Task")
Result = TypeVar("Result")


def run_tasks(work: Callable[[Task], None], tasks: Iterable[Task], threads: int) -> None:
    """
    Run tasks on threads, the calling one among them; each takes the next when it is done with one.

    All that can run side by side belongs into one call: regions inside regions put more threads to
    work than there are processors, and many short ones wait for threads to wake up.

    Parameters
    ----------
    work : callable
        Should release the interpreter lock, and must write only what belongs to its task.
    tasks : iterable
    threads : int
        Results do not depend on it.
    """
    waiting = deque(tasks)

    def drain() -> None:
        while waiting:
            try:
                task = waiting.popleft()
            except IndexError:  # another thread took the last one
                return
            work(task)

    helpers = min(threads, len(waiting)) - 1
    if helpers < 1:
        drain()
        return
    running = [_pool(threads - 1).submit(drain) for _ in range(helpers)]
    try:
        drain()
    except BaseException:
        waiting.clear()
        raise
    finally:
        for helper in running:
            if not helper.cancel():  # one that has not started has nothing left to do
                helper.result()


def map_in_order(
    work: Callable[[Task], Result], tasks: Iterable[Task], threads: int
) -> Iterator[Result]:
    """
    Yield the results of tasks in their order; at most ``2 * threads`` are under way.

    Tasks are taken when there is room, so that a slow reader of results keeps memory bounded.

    Parameters
    ----------
    work : callable
        Should release the interpreter lock.
    tasks : iterable
    threads : int
        Results do not depend on it.
    """
    if threads == 1:
        yield from map(work, tasks)
        return
    remaining = iter(tasks)
    with ThreadPoolExecutor(max_workers=threads, thread_name_prefix="linpot") as pool:
        running = deque(pool.submit(work, task) for task in islice(remaining, 2 * threads))
        try:
            while running:
                yield running.popleft().result()
                running.extend(pool.submit(work, task) for task in islice(remaining, 1))
        finally:
            for task in running:
                task.cancel()


def cut(n: int, parts: int) -> list[tuple[int, int]]:
    """Cut ``range(n)`` into at most `parts` runs of alike length, none of them empty."""
    parts = max(1, min(parts, n))
    ends = [n * k // parts for k in range(parts + 1)]
    return [(a, b) for a, b in pairwise(ends) if b > a]


@cache
def _pool(helpers: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=helpers, thread_name_prefix="linpot")


def one_blas_thread() -> AbstractContextManager[object]:
    """
    Keep BLAS on one thread inside a `with` block: the same bits on any machine.

    Libraries are looked for once: that takes milliseconds, which many small calls would feel.
    """
    limited: AbstractContextManager[object] = _blas().limit(limits=1, user_api="blas")
    return limited


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController()
