"""Results as tables for people."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from goals import judge
from meter import Run
from results import Results

# figure -> heading, factor, decimals
COLUMNS: dict[str, tuple[str, float, int]] = {
    "deliveries_per_s": ("deliveries/s", 1, 0),
    "messages_per_s": ("messages/s", 1, 0),
    "requests_per_s": ("requests/s", 1, 0),
    "sockets_per_s": ("sockets/s", 1, 0),
    "kb_per_socket": ("KB/socket", 1, 1),
    "p50": ("p50 ms", 1, 1),
    "p90": ("p90 ms", 1, 1),
    "p99": ("p99 ms", 1, 1),
    "max": ("max ms", 1, 1),
    "worker_us_per_delivery": ("worker µs/delivery", 1, 1),
    "worker_us_per_message": ("worker µs/message", 1, 0),
    "past_nginx_per_s": ("deliveries/s past nginx", 1, 0),
    "nginx_share": ("nginx's share", 1, 2),
    "nginx_us_per_delivery": ("nginx µs/delivery", 1, 1),
}


def colour(code: str, text: str) -> str:
    """Coloured on a terminal only."""
    wanted = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    return f"\033[{code}m{text}\033[0m" if wanted else text


def number(value: float, decimals: int) -> str:
    return f"{value:,.{decimals}f}"


def rows(results: Results, titles: dict[str, str]) -> list[tuple[str, list[str], list[list[str]]]]:
    """For each case: its name, the headings, and a row for each design."""
    middle = results.middle()
    found = []
    for scenario, case in dict.fromkeys((run.scenario, run.case) for run in results.runs):
        runs = [run for key, run in middle.items() if key[:2] == (scenario, case)]
        columns = [name for name in COLUMNS if any(name in run.figures for run in runs)]
        headings = [
            "design", *(COLUMNS[name][0] for name in columns), "ws1 CPU s", "PostgreSQL CPU s",
            "load CPU", "remark",
        ]  # fmt: skip
        found.append(
            (f"{scenario}: {case}", headings, [_row(run, columns, titles) for run in runs])
        )
    return found


def _row(run: Run, columns: Sequence[str], titles: dict[str, str]) -> list[str]:
    cells = [titles.get(run.design, run.design)]
    for name in columns:
        _, factor, decimals = COLUMNS[name]
        cells.append(number(run.figures[name] * factor, decimals) if name in run.figures else "–")
    cells.append(number(run.cpu.get("ws1", 0.0), 2))
    cells.append(number(run.cpu.get("postgres", 0.0), 2))
    cells.append(f"{run.load_cpu / run.load_seconds:.0%}" if run.load_seconds else "–")
    remarks = [run.error] if run.error else []
    if run.load_bound:
        remarks.append("the load generator was at its limit")
    cells.append("; ".join(remarks))
    return cells


def show(results: Results, titles: dict[str, str]) -> None:
    """Print all tables."""
    for name, headings, lines in rows(results, titles):
        print(colour("1", f"\n{name}"))
        widths = [max(len(row[n]) for row in [headings, *lines]) for n in range(len(headings))]
        for row in [headings, *lines]:
            cells = [
                cell.ljust(width) if n in (0, len(row) - 1) else cell.rjust(width)
                for n, (cell, width) in enumerate(zip(row, widths, strict=True))
            ]
            print("  " + "  ".join(cells).rstrip())


def show_machine(results: Results) -> None:
    """Print what was measured on, and with which versions."""
    said = ", ".join(f"{name} {value}".strip() for name, value in results.machine.items())
    print(colour("2", f"\non: {said}"))


def show_goals(results: Results) -> None:
    """Print how the results stand to the goals."""
    print(colour("1", "\ngoals (ratios within this run)"))
    measured = [each for each in judge(results) if not each.left_out]
    for verdict in measured:
        sign = "≥" if verdict.goal.at_least else "≤"
        value = "–" if verdict.value is None else f"{verdict.value:,.2f}"
        code = {"met": "32", "not met": "31"}.get(verdict.text, "2")
        remarks = "; ".join(remark for remark in (verdict.why, verdict.caution) if remark)
        print(
            f"  {verdict.goal.name:<58} {value:>9}  {sign} {verdict.goal.bound:<5g}"
            f" {colour(code, verdict.text)}{f'  ({remarks})' if remarks else ''}"
        )
    left_out = len(judge(results)) - len(measured)
    if left_out:
        print(f"  {left_out} goals need scenarios or designs that were left out")


def show_changes(old: Results, new: Results, titles: dict[str, str]) -> None:
    """Print every figure that differs from an older file's by more than a tenth."""
    before, after = old.middle(), new.middle()
    print(colour("1", "\nchanges of more than 10 % (before → now)"))
    found = False
    for key, run in after.items():
        was = before.get(key)
        if was is None:
            continue
        for name, (heading, factor, decimals) in COLUMNS.items():
            if name not in run.figures or name not in was.figures or not was.figures[name]:
                continue
            change = run.figures[name] / was.figures[name] - 1
            if abs(change) > 0.1:
                found = True
                print(
                    f"  {key[0]}: {key[1]:<28} {titles.get(key[2], key[2]):<38} {heading:<18}"
                    f" {number(was.figures[name] * factor, decimals):>10} →"
                    f" {number(run.figures[name] * factor, decimals):>10}  {change:+.0%}"
                )
        if bool(run.error) != bool(was.error):
            found = True
            now = run.error or "has figures again"
            print(f"  {key[0]}: {key[1]:<28} {titles.get(key[2], key[2]):<38} {now}")
    if not found:
        print("  none")
