"""Pictures of the results, one for each scenario that has something to show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from goals import judge
from results import Results

# Drawn in a page of text: wide, light, and readable without colours.
WIDTH = 9.0
MINE = "#0b6e4f"
OTHERS = ("#9aa5b1", "#c9a227", "#b5651d", "#7d5ba6", "#c0504d", "#4f81bd", "#8c8c8c", "#5b8c5a")
# scenario, figure, heading, whether each of its cases is a bar group
CHARTS = (
    ("fanout", "deliveries_per_s", "one room, burst: deliveries a second", "burst "),
    ("fanout", "worker_us_per_delivery", "one room: worker CPU a delivery, µs", ""),
    ("rooms", "messages_per_s", "100 rooms of 2, closed loop: messages a second", ""),
    ("http", "requests_per_s", "posts over HTTP, 16 clients: requests a second", ""),
    ("idle", "kb_per_socket", "memory of an idle socket in the worker, KB", ""),
)


def draw(results: Results, titles: dict[str, str], folder: Path) -> list[Path]:
    """Draw all that there is into a folder, as SVG and PNG; returns the files."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "chatire"
    import matplotlib.pyplot as plt

    folder.mkdir(parents=True, exist_ok=True)
    files: list[Path] = []
    middle = results.middle()
    for scenario, figure, heading, prefix in CHARTS:
        keys = [
            key
            for key, run in middle.items()
            if key[0] == scenario and key[1].startswith(prefix) and figure in run.figures
        ]
        if not keys:
            continue
        cases = list(dict.fromkeys(key[1] for key in keys))
        designs = [name for name in titles if any(key[2] == name for key in keys)]
        plot, axes = plt.subplots(figsize=(WIDTH, 1.2 + 0.24 * len(cases) * (len(designs) + 1)))
        _bars(axes, middle, scenario, figure, cases, designs, titles)
        axes.set_title(heading, loc="left", fontsize=11)
        _save(plot, folder / f"{scenario}-{figure.replace('_', '-')}", files)
        plt.close(plot)
    _goals(plt, results, folder, files)
    return files


def _bars(
    axes: Any, middle: Any, scenario: str, figure: str, cases: list[str], designs: list[str],
    titles: dict[str, str],
) -> None:  # fmt: skip
    values: list[float] = []
    for row, case in enumerate(cases):
        for place, design in enumerate(designs):
            run = middle.get((scenario, case, design))
            if run is None or figure not in run.figures:
                continue
            value = run.figures[figure]
            values.append(value)
            color = MINE if design.startswith("chatire") else OTHERS[place % len(OTHERS)]
            at = row * (len(designs) + 1) + place
            axes.barh(at, value, color=color, alpha=0.55 if design == "chatire-nginx" else 1)
            axes.text(value, at, f" {titles[design]}  {value:,.0f}", va="center", fontsize=7)
    middle_of = (len(designs) - 1) / 2
    axes.set_yticks(
        [row * (len(designs) + 1) + middle_of for row in range(len(cases))], cases, fontsize=9
    )
    axes.invert_yaxis()
    axes.set_xlim(0, max(values) * 1.4)
    axes.spines[["top", "right"]].set_visible(False)


def _goals(plt: Any, results: Results, folder: Path, files: list[Path]) -> None:
    """How far each goal is over or under, on one axis: 1 is the goal itself."""
    measured = [(v.goal, v.value) for v in judge(results) if v.value]
    if not measured:
        return
    plot, axes = plt.subplots(figsize=(WIDTH, 1 + 0.32 * len(measured)))
    for row, (goal, value) in enumerate(measured):
        reach = value / goal.bound if goal.at_least else goal.bound / value
        axes.barh(row, reach, color=MINE if goal.met(value) else "#c0504d")
        axes.text(reach, row, f" {value:,.2f} (goal {goal.bound:g})", va="center", fontsize=7)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_yticks(range(len(measured)), [goal.name for goal, _ in measured], fontsize=8)
    axes.invert_yaxis()
    axes.set_title("goals: right of the line is met", loc="left", fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.25)
    _save(plot, folder / "goals", files)
    plt.close(plot)


def _save(plot: Any, name: Path, files: list[Path]) -> None:
    for suffix in (".svg", ".png"):
        path = name.with_suffix(suffix)
        metadata = {"Date": None} if suffix == ".svg" else None
        plot.savefig(path, bbox_inches="tight", dpi=130, metadata=metadata)
        files.append(path)
