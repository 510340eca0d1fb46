"""The pictures: latency against recall, and how cost grows with rows."""

from collections.abc import Container
from itertools import groupby
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib import pyplot
from matplotlib.ticker import FuncFormatter, LogFormatter
from sqlite_utils import Database

from . import results
from .job import AMONG
from .report import Key, data_of, values_of
from .systems import SYSTEMS

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "vecstore"  # the same results give the same file
matplotlib.rcParams["svg.fonttype"] = "none"  # text as text: a small file, which can be searched

PLAIN = FuncFormatter(lambda value, _: f"{value:,.12g}")
COLOURS = pyplot.get_cmap("tab20")  # ten, and a lighter one of each
MARKERS = "o^svDP*Xd<>phH8+x"
COSTS: dict[str, Key] = {
    "top 10, ms": ("p50, ms", 10, None, None),
    "first answer of a process, s": ("first answer, s", None, None, None),
    "load, rows/s": ("load, rows/s", None, None, None),
    "memory, MB": ("memory, MB", None, None, None),
}

Systems = dict[str, dict[Key, float]]


def draw(db: Database, folder: Path, shown: Container[str] = SYSTEMS) -> list[str]:
    """Write the pictures of some systems that the results allow; return their files' names."""
    sizes: dict[tuple[str, int], dict[int, Systems]] = {}  # data and dimensions, rows
    found_rows = results.newest(db, "measurements")
    rows = sorted((row for row in found_rows if row["system"] in shown), key=data_of)
    for (data, dimensions, count), found in groupby(rows, data_of):
        sizes.setdefault((data, dimensions), {})[count] = values_of(list(found))
    names = []
    for (data, dimensions), systems in sizes.items():
        most = max(systems)
        title = f"{data}, {most:,} rows of {dimensions} dimensions"
        names.append(save(latency_against_recall(systems[most], title), folder, f"{data}-recall"))
        if any(filtered(values) for values in systems[most].values()):
            title = f"The top 10 of the rows that a condition keeps: {title}"
            names.append(
                save(latency_against_share(systems[most], title), folder, f"{data}-filters")
            )
        if len(systems) > 1:
            title = f"{data}, {dimensions} dimensions"
            names.append(save(cost_against_rows(systems, title), folder, f"{data}-rows"))
    return names


def latency_against_recall(systems: Systems, title: str) -> Any:
    figure, axes = pyplot.subplots(1, 2, figsize=(11, 5), layout="constrained")
    for number, plot in zip((10, 100), axes, strict=True):
        for system, values in systems.items():
            point = values["recall", number, None, None], values["p50, ms", number, None, None]
            plot.plot(*point, linestyle="", label=system, **look(system))
        plot.set(xlabel=f"recall@{number}", ylabel=f"top {number}, ms", yscale="log")
        plot.margins(0.1)
    return finish(figure, axes[0], title)


def latency_against_share(systems: Systems, title: str) -> Any:
    figure, axes = pyplot.subplots(
        1, len(AMONG), figsize=(11, 5), sharey=True, layout="constrained"
    )
    for among, plot in zip(AMONG, axes, strict=True):
        for system, values in systems.items():
            shares = [share for kind, share in filtered(values) if kind == among]
            times = [values["p50, ms", 10, share, among] for share in shares]
            plot.plot(shares, times, label=system, **look(system))
        plot.set(xlabel=f"share of the rows, {among}", ylabel="ms", xscale="log", yscale="log")
    return finish(figure, axes[0], title)


def filtered(values: dict[Key, float]) -> list[tuple[str, float]]:
    """Return what conditions a system was asked for: which rows, and what share of all."""
    return sorted(
        (among, share)
        for measure, _, share, among in values
        if measure == "p50, ms" and share is not None and among is not None
    )


def cost_against_rows(systems: dict[int, Systems], title: str) -> Any:
    figure, axes = pyplot.subplots(2, 2, figsize=(11, 9), layout="constrained")
    names = dict.fromkeys(system for values in systems.values() for system in values)
    for (label, key), plot in zip(COSTS.items(), axes.flat, strict=True):
        for system in names:
            points = [
                (count, values[system][key])
                for count, values in systems.items()
                if key in values.get(system, {})
            ]
            plot.plot(*zip(*points, strict=True), label=system, **look(system))
        plot.set(xlabel="rows", ylabel=label, xscale="log", yscale="log")
    return finish(figure, axes.flat[0], title)


def look(system: str) -> dict[str, Any]:
    """Return a system's colour and marker, the same in all pictures; ours stand out."""
    place = list(SYSTEMS).index(system)
    own = system.startswith("vecstore")
    return {
        "color": "black" if own else COLOURS(place * 2 % 20 + place // 10),
        "marker": MARKERS[place % len(MARKERS)],
        "markersize": 9 if own else 6,
        "linewidth": 2 if own else 1,
        "zorder": 3 if own else 2,
    }


def finish(figure: Any, plot: Any, title: str) -> Any:
    figure.suptitle(title)
    for each in figure.axes:
        each.grid(alpha=0.3)
        for axis in (each.xaxis, each.yaxis):
            if axis.get_scale() == "log":
                axis.set_major_formatter(PLAIN)
                axis.set_minor_formatter(LogFormatter(labelOnlyBase=False))
    handles, labels = plot.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=6, fontsize="small")
    return figure


def save(figure: Any, folder: Path, name: str) -> str:
    figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
    pyplot.close(figure)
    return f"{name}.svg"
