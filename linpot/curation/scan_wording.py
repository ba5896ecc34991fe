"""What single structures show, in words."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from linpot.curation.finding import CERTAIN, LIKELY, NOTE, Finding
from linpot.curation.structure_scan import BOHR_WINDOW, UnitScan
from linpot.structures.structure import LABELS

_FEWEST = 3
_EXPECTED = ("energy", "forces")  # the others are told where some structures have them
_NOTED_NET_FORCE = 5e-3  # eV/A


def describe_scan(unit: str, scan: UnitScan) -> list[Finding]:
    """Return what the structures of a unit show one by one."""
    findings = []
    for kind, own, unit_of, what, remedy in (
        (
            "net-force",
            scan.net_force,
            "eV/A",
            "forces do not sum to zero",
            "look for constraints, fixed atoms or external fields; forces that are set to zero "
            "must not be labels",
        ),
        (
            "torque",
            scan.torque,
            "of the sum of sizes",
            "forces turn the molecule: they belong to another orientation or order of atoms",
            "read positions and forces in the same frame (Gaussian: the input orientation)",
        ),
    ):
        if own:
            place, worst = max(own, key=lambda one: one[1])
            findings.append(
                Finding(
                    kind=kind,
                    group=unit,
                    what=f"{what} in {len(own)} of {scan.n_structures} structures of {unit!r}: "
                    f"{worst:.3g} {unit_of} in structure {place}",
                    sure=CERTAIN if len(own) >= _FEWEST else LIKELY,
                    remedy=remedy,
                    structures=tuple(p for p, _ in own[:20]),
                    evidence={"largest": worst, "structures": len(own)},
                )
            )
    if not scan.net_force and scan.largest_net_force > _NOTED_NET_FORCE:
        findings.append(
            Finding(
                kind="net-force",
                group=unit,
                what=f"forces of {unit!r} sum to up to {scan.largest_net_force:.2g} eV/A",
                sure=NOTE,
                remedy="a finite grid does that; no potential fits forces better",
                evidence={"largest": scan.largest_net_force},
            )
        )
    if scan.close:
        place, shortest = min(scan.close, key=lambda one: one[1])
        findings.append(
            Finding(
                kind="close-atoms",
                group=unit,
                what=f"atoms are very close in {len(scan.close)} structures of {unit!r}: "
                f"{shortest:.3g} A in structure {place}",
                sure=NOTE,
                remedy="weigh them down (--energy-window, --force-cap) unless they are meant",
                structures=tuple(p for p, _ in scan.close[:20]),
                evidence={"shortest": shortest, "structures": len(scan.close)},
            )
        )
    return findings + _constants(unit, scan)


def _constants(unit: str, scan: UnitScan) -> list[Finding]:
    findings = []
    n = len(scan.energies)
    if n >= _FEWEST and len(set(scan.energies)) == 1:
        findings.append(
            Finding(
                kind="constant",
                group=unit,
                what=f"all {n} energies of {unit!r} are {scan.energies[0]:.6g} eV",
                sure=LIKELY,
                remedy="ignore them (--energy-key none), or label the structures",
                evidence={"structures": n},
            )
        )
    return findings


def describe_missing(scans: Mapping[str, UnitScan]) -> list[Finding]:
    """Return which labels are missing in some units, as notes."""
    findings = []
    for label in LABELS:
        lacking = {}
        for unit, scan in scans.items():
            possible = scan.bulk if label == "stress" else scan.n_structures
            if possible > scan.present[label]:
                lacking[unit] = possible - scan.present[label]
        if lacking and any(scan.present[label] for scan in scans.values()):
            named = ", ".join(f"{unit} ({n})" for unit, n in list(lacking.items())[:6])
            more = f" and {len(lacking) - 6} more" if len(lacking) > 6 else ""
            findings.append(
                Finding(
                    kind="missing",
                    group="",
                    what=f"{label} missing in structures that could have "
                    f"{'it' if label != 'forces' else 'them'}: {named}{more}",
                    sure=NOTE,
                    remedy="a fit takes what is there",
                    evidence={"structures": sum(lacking.values())},
                )
            )
        elif label in _EXPECTED and not any(scan.present[label] for scan in scans.values()):
            findings.append(
                Finding(
                    kind="missing",
                    group="",
                    what=f"no structure has {label}",
                    sure=NOTE,
                    remedy=f"name its key with --{label}-key if it is there under another name",
                )
            )
    return findings


def describe_lengths(scans: Mapping[str, UnitScan]) -> list[Finding]:
    """Return whether all distances look like those in Bohr."""
    ratios = np.array([r for scan in scans.values() for r in scan.ratios])
    if len(ratios) < _FEWEST:
        return []
    low, middle, high = np.percentile(ratios, [2.0, 50.0, 98.0])
    if not (BOHR_WINDOW[0] < low and high < BOHR_WINDOW[1]):
        return []
    return [
        Finding(
            kind="length-unit",
            group="",
            what=f"positions seem to be in Bohr: the closest atoms are {middle:.2f} times the sum "
            "of their covalent radii apart",
            sure=LIKELY,
            remedy="convert positions and cells; forces per Bohr as well",
            evidence={"typical_ratio": float(middle)},
        )
    ]
