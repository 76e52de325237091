"""The Markdown of results.json: for each section what matters at a glance, then every timing with its spread."""

from __future__ import annotations

from typing import Any

from rows import EAGER, FLOOR, OURS, is_peer

FUNCTION, GRADIENT = ": function", ": gradient"


def readable(value: float, unit: str = "s") -> str:
    if unit == "B":
        return f"{value / 2**20:.3g} MiB" if abs(value) >= 2**20 else f"{value / 1024:.3g} KiB"
    if value == 0:
        return "0 s"
    scale, name = next(
        (s, u) for s, u in ((1e-9, "ns"), (1e-6, "µs"), (1e-3, "ms"), (1, "s")) if abs(value) < 999.5 * s or s == 1
    )
    return f"{value / scale:.3g} {name}"


def best_peer(row: dict[str, Any]) -> str | None:
    """The fastest of the packages that one could use instead."""
    peers = {name: t["median"] for name, t in row["values"].items() if is_peer(name)}
    return min(peers, key=lambda name: peers[name]) if peers else None


def ours(row: dict[str, Any]) -> str | None:
    """Which of our two ways the row's columns are about."""
    return next((name for name in (OURS, EAGER) if name in row["values"]), None)


def median(row: dict[str, Any], name: str | None) -> float | None:
    return None if name is None or name not in row["values"] else float(row["values"][name]["median"])


def verdict(row: dict[str, Any], target: dict[str, Any]) -> tuple[bool, str] | None:
    """Whether a target is met, and how that reads; None where somebody needed was not measured."""
    value = median(row, target["of"])
    if value is None:
        return None
    whose = "" if target["of"] == ours(row) else f"{target['of']}: "
    if not target["against"]:
        met = value <= target["at_most"]
        return met, f"{whose}{readable(value, row['unit'])} (≤ {readable(target['at_most'], row['unit'])})"
    name = best_peer(row) if target["against"] == "best peer" else target["against"]
    other = median(row, name)
    if other is None:
        return None
    ratio = value / other
    met = ratio <= target["at_most"]
    if target["inverse"]:
        return met, f"{whose}{target['against']} takes {1 / ratio:.2f}x (≥ {1 / target['at_most']:.2f})"
    return met, f"{whose}{ratio:.2f} of {target['against']} (≤ {target['at_most']:.2f})"


def targets(row: dict[str, Any]) -> str:
    found = [verdict(row, target) for target in row["targets"]]
    return "; ".join(text if met else f"**missed:** {text}" for met, text in (v for v in found if v is not None))


def summary(section: dict[str, Any]) -> list[str]:
    """Work, ours, the floor, the best peer, the ratios."""
    lines = [
        "| work | compiled | eager | C++ by hand | best peer | ours / C++ | peer / ours | limit / ours | targets |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---|",
    ]
    for row in section["rows"]:
        name, peer = ours(row), best_peer(row)
        mine, floor, theirs = median(row, name), median(row, FLOOR), median(row, peer)

        def cell(value: float | None, row: dict[str, Any] = row) -> str:
            return "" if value is None else readable(value, row["unit"])

        def ratio(above: float | None, below: float | None) -> str:
            return "" if above is None or not below else f"{above / below:.2f}"

        limit = "" if not row["limit"] or not mine else f"{100 * row['limit'] / mine:.0f} %"
        lines.append(
            f"| {row['work']} | {cell(median(row, OURS))} | {cell(median(row, EAGER))} | {cell(floor)} "
            f"| {cell(theirs)}{f' ({peer})' if peer else ''} | {ratio(mine, floor)} | {ratio(theirs, mine)} | {limit} "
            f"| {targets(row)} |"
        )
    return lines


def plain(section: dict[str, Any]) -> list[str]:
    """A column for each contender: where neither floor nor ratio says much."""
    names = list(dict.fromkeys(name for row in section["rows"] for name in row["values"]))
    lines = [f"| work | {' | '.join(names)} | targets |", f"|---|{'---:|' * len(names)}---|"]
    for row in section["rows"]:
        cells = ("" if (m := median(row, name)) is None else readable(m, row["unit"]) for name in names)
        lines.append(f"| {row['work']} | {' | '.join(cells)} | {targets(row)} |")
    return lines


def cost(section: dict[str, Any]) -> list[str]:
    """Gradient over function, for each contender."""
    names = list(
        dict.fromkeys(
            n.removesuffix(FUNCTION) for row in section["rows"] for n in row["values"] if n.endswith(FUNCTION)
        )
    )
    lines = [f"| gradient / function | {' | '.join(names)} | targets |", f"|---|{'---:|' * len(names)}---|"]
    for row in section["rows"]:
        cells = []
        for name in names:
            function, gradient = median(row, name + FUNCTION), median(row, name + GRADIENT)
            cells.append(
                "" if not function or gradient is None else f"{gradient / function:.2f} ({readable(gradient)})"
            )
        lines.append(f"| {row['work']} | {' | '.join(cells)} | {targets(row)} |")
    return lines


STYLES = {"summary": summary, "plain": plain, "cost": cost}


def spreads(section: dict[str, Any]) -> list[str]:
    """Every timing: median, middle half."""
    lines = ["| work | contender | median | middle half |", "|---|---|---:|---:|"]
    for row in section["rows"]:
        for name, t in sorted(row["values"].items(), key=lambda item: item[1]["median"]):
            low, high = (readable(t[end], row["unit"]) for end in ("low", "high"))
            lines.append(f"| {row['work']} | {name} | {readable(t['median'], row['unit'])} | {low} to {high} |")
    return lines


def missed(results: dict[str, Any]) -> list[str]:
    found = []
    for section in results["sections"]:
        for row in section["rows"]:
            for target in row["targets"]:
                v = verdict(row, target)
                if v is not None and not v[0]:
                    found.append(f"{row['work']}: {v[1]}")
    return found


def markdown(results: dict[str, Any], pictures: list[str]) -> str:
    lines = [
        "# Measured beside the peers",
        "",
        f"{results['machine']}. {', '.join(results['versions'])}.",
        "",
        "Contenders take turns in shuffled rounds; the times are medians. *C++ by hand* (`bench/floor/floor.cpp`) is",
        "the same work written out in C++ on OpenBLAS. *Limit* is the time that this core's multiply-adds and the",
        "memory's bandwidth, both measured, allow. *Ours* is the compiled function where there is one, else",
        "the eager one.",
        "",
    ]
    lines += [f"![{picture.removesuffix('.png')}]({picture})" for picture in pictures]
    gone = missed(results)
    lines += ["", "Missed targets:" if gone else "All targets of the measured rows are met.", ""]
    lines += [f"- {line}" for line in gone]
    for section in results["sections"]:
        if not section["rows"]:
            continue
        lines += ["", f"## {section['title']}", "", *STYLES[section["style"]](section), ""]
        lines += [f"- {note}" for row in section["rows"] for note in row["notes"]]
    if results["notices"]:
        lines += ["", "## Left out", "", *(f"- {notice}" for notice in results["notices"])]
    lines += ["", "## Every timing", "", "<details><summary>median and middle half of each contender</summary>"]
    for section in results["sections"]:
        if section["rows"]:
            lines += ["", f"### {section['title']}", "", *spreads(section)]
    lines += ["", "</details>", ""]
    return "\n".join(lines)
