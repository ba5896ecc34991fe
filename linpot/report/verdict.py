"""
What numbers mean, in plain words, by the rules of `linpot.report.rules`.

They look at test data where there are any, and say so where there are none. They compare
errors with the spread of the labels, not with a wish.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from linpot.report.advice import what_to_add
from linpot.report.contents import DECIDING, PROPERTIES, DataErrors, PageContents
from linpot.report.rules import (
    BIASED,
    CONCENTRATED,
    FEW,
    GAP,
    GOOD,
    MISSED,
    OUTSIDE,
    SHOWN,
    TONES,
    TOO_FEW,
    WHERE,
    WORSE,
    Statement,
    word_for,
)
from linpot.report.wording import SCALES, SINGULAR, WORDS, digits, in_unit, listed


def judge(contents: PageContents) -> list[Statement]:
    """
    Return the summary of a page.

    Parameters
    ----------
    contents : PageContents

    Returns
    -------
    list of Statement
        The first one is the verdict.
    """
    found = [*_is_good(contents), *_where_not(contents)]
    return found + list(what_to_add(contents, found))


def _is_good(contents: PageContents) -> Iterator[Statement]:
    data = contents.judged
    everything = data.metrics["all"]
    known = [p for p in PROPERTIES if p in everything]
    ratios = {p: data.relative(p) for p in known}
    deciding = {p: q for p, q in ratios.items() if p in ("energy", "forces") and math.isfinite(q)}
    of_what = f"{data.n_structures} {data.name} structure{'s' * (data.n_structures > 1)}"
    if not deciding or data.n_structures < TOO_FEW:
        why = (
            f"{of_what} are too few"
            if deciding and data.n_structures > 1
            else f"{of_what} is too few"
            if deciding
            else f"the labels of {of_what} do not differ, so errors have no scale"
        )
        yield Statement(GOOD, "plain", f"No verdict: {why}.")
    else:
        word = word_for(max(deciding.values()))
        tone, of = TONES[word], "" if "forces" in deciding else " for energies"
        if contents.is_tested:
            text = f"{word.capitalize()}{of}, judged by {of_what} that the fit has not seen."
        else:
            tone = "fair" if tone == "good" else tone
            text = (
                f"Not tested. On its own {of_what} it is {word}{of}, but training errors flatter: "
                "judge by data that the fit has not seen."
            )
        yield Statement(GOOD, tone, text)
    for name in known:
        yield _about(name, ratios[name], data)
    if contents.is_tested and TOO_FEW <= data.n_structures < FEW:
        text = f"{of_what} are few: the errors are uncertain themselves."
        yield Statement(GOOD, "fair", text)
    missing = [WORDS[p] for p in DECIDING if p not in everything]
    if missing:
        text = f"There are no {' and no '.join(missing)} to compare with: they are not tested."
        yield Statement(GOOD, "plain", text)
    yield from _about_error_bars(contents)


def _about(name: str, relative: float, data: DataErrors) -> Statement:
    errors = data.metrics["all"][name]
    text = f"{WORDS[name].capitalize()}: RMSE {in_unit(name, errors['rmse'])}"
    if not math.isfinite(relative):
        return Statement(GOOD, "plain", f"{text}; the labels do not differ.")
    word = word_for(relative)
    tone = TONES[word]
    scale = in_unit(name, data.scale[name])
    share = f"{relative:.1%}" if relative < 0.3 else f"{relative:.0%}"
    return Statement(GOOD, tone, f"{text}, {share} of {SCALES[name]} ({scale}): {word}.")


def _about_error_bars(contents: PageContents) -> Iterator[Statement]:
    told: dict[tuple[str, str], list[str]] = {}
    for name, own in (contents.reliability or {}).items():
        if "0.9" not in own["coverage"] or own["structures"] < TOO_FEW:
            continue
        covered = own["coverage"]["0.9"]
        if covered < 0.9 - MISSED:
            kind = ("bad", "too narrow")
        elif covered > 0.9 + MISSED:
            kind = ("fair", "wider than needed")
        else:
            kind = ("good", "as wide as they should be")
        told.setdefault(kind, []).append(f"{covered:.0%} of the {SINGULAR[name]} errors")
    for (tone, words), shares in told.items():
        text = f"Error bars that promise 90% hold {listed(shares)}: {words}."
        yield Statement(GOOD, tone, text)


def _where_not(contents: PageContents) -> Iterator[Statement]:
    data = contents.judged
    for hole in contents.holes[:SHOWN]:
        yield Statement(WHERE, "bad", f"A hole: {hole}.")
    if len(contents.holes) > SHOWN:
        more = len(contents.holes) - SHOWN
        yield Statement(WHERE, "bad", f"{more} more hole{'s' * (more > 1)} of this kind.")
    yield from _gap(contents)
    for name in PROPERTIES:
        yield from _groups(name, data)
    yield from _outliers(data)
    yield from _elements(data)
    grades = contents.grades
    if grades is not None and grades.above_one > OUTSIDE:
        yield Statement(
            WHERE,
            "bad" if grades.above_two > OUTSIDE else "fair",
            f"{grades.above_one:.1%} of the test atoms are in environments outside the training "
            f"data (grade beyond 1), {grades.above_two:.1%} far outside (beyond 2).",
        )


def _gap(contents: PageContents) -> Iterator[Statement]:
    if len(contents.data) < 2:
        return
    train, test = contents.data
    ratios = {}
    for name in PROPERTIES:
        if name in train.metrics["all"] and name in test.metrics["all"]:
            own = train.metrics["all"][name]["rmse"]
            ratios[name] = test.metrics["all"][name]["rmse"] / own if own > 0.0 else math.inf
    larger = {name: ratio for name, ratio in ratios.items() if ratio > GAP}
    if larger:
        new = sorted({f"'{group}'" for group in set(test.groups) - set(train.groups)})
        why = (
            f"the test set has groups of its own ({listed(new)})"
            if new
            else "the test set is unlike the training data, or these are too few for so many "
            "functions"
        )
        told = listed(
            [f"{digits(ratio)} times for {WORDS[name]}" for name, ratio in larger.items()]
        )
        tone = "fair" if max(larger.values()) < 2.0 * GAP else "bad"
        text = f"Test errors are larger than training errors, {told}: {why}."
        yield Statement(WHERE, tone, text)


def _groups(name: str, data: DataErrors) -> Iterator[Statement]:
    groups, everything = data.metrics["groups"], data.metrics["all"]
    if len(groups) < 2 or name not in everything:
        return
    typical = everything[name]["rmse"]
    outstanding = [
        (own[name]["rmse"] / typical, group, own[name]["rmse"])
        for group, own in groups.items()
        if name in own and typical > 0.0 and own[name]["rmse"] > WORSE * typical
    ]
    for ratio, group, rmse in sorted(outstanding, reverse=True)[:SHOWN]:
        yield Statement(
            WHERE,
            "bad" if ratio > 2.0 * WORSE else "fair",
            f"{WORDS[name].capitalize()} in group '{group}' ({data.groups.count(group)} "
            f"structures): RMSE {in_unit(name, rmse)}, {ratio:.1f} times that of all {data.name} "
            "data.",
            group,
        )
    if name == "energy":
        yield from _one_sided(data)


def _one_sided(data: DataErrors) -> Iterator[Statement]:
    errors, names = data.per_structure["energy"], np.array(data.groups)
    for group, own in data.metrics["groups"].items():
        if "energy" not in own or own["energy"]["n"] < 3:
            continue
        mean = float(np.nanmean(errors[names == group]))
        if abs(mean) > BIASED * own["energy"]["rmse"] > 0.0 and (
            own["energy"]["rmse"] > 0.5 * data.metrics["all"]["energy"]["rmse"]
        ):
            way = "high" if mean > 0.0 else "low"
            yield Statement(
                WHERE,
                "fair",
                f"Energies of group '{group}' are too {way} throughout, by "
                f"{in_unit('energy', abs(mean))} on average.",
                group,
            )


def _outliers(data: DataErrors) -> Iterator[Statement]:
    if "forces" not in data.per_structure:
        return
    own = np.nan_to_num(data.per_structure["forces"]) ** 2
    n = max(1, round(0.01 * len(own)))
    share = np.sort(own)[::-1][:n].sum() / own.sum() if own.any() else 0.0
    if len(own) >= 2 * FEW and share > CONCENTRATED:
        worst, make = ("One structure", "makes") if n == 1 else (f"{n} structures", "make")
        yield Statement(
            WHERE,
            "fair",
            f"{worst} of {len(own)} {make} {share:.0%} of the squared force error: look at the "
            "worst structures below, and at their labels.",
        )


def _elements(data: DataErrors) -> Iterator[Statement]:
    relative = {
        symbol: own.rmse / own.size
        for symbol, own in data.elements.items()
        if own.n_components and own.size > 0.0
    }
    everything = data.relative("forces") if "forces" in data.metrics["all"] else math.nan
    for symbol, ratio in relative.items():
        if len(relative) > 1 and ratio > 1.5 * everything:
            yield Statement(
                WHERE,
                "fair",
                f"Forces on {symbol}: {ratio:.0%} of the typical force on this element, against "
                f"{everything:.0%} on all.",
            )
