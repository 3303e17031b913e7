"""The results of `make chaos` as the table of docs/reliability.md."""

from __future__ import annotations

from typing import Any

HEAD = (
    *("scenario", "what happens", "whole after, of", "sight p95"),
    *("away p95", "sockets cut", "messages", "wrong"),
)
WRONG = ("lost", "unseen", "doubled", "disorder", "gaps", "leaked")


def markdown(results: dict[str, Any]) -> str:
    """A table with a row a scenario, and the sums below."""
    rows = [
        f"| {' | '.join(HEAD)} | |",
        f"|{'---|' * (len(HEAD) + 1)}",
    ]
    messages = wrong = held = 0
    for each in results["scenarios"]:
        ledger = each["ledger"]
        if ledger is None:
            rows.append(f"| `{each['name']}` | {each['title']} | | | | | | | no result |")
            continue
        figures = ledger["figures"]
        bad = sum(ledger["violations"][kind] for kind in WRONG)
        messages, wrong, held = messages + ledger["stored"], wrong + bad, held + each["held"]
        cells = (
            f"`{each['name']}`",
            each["title"],
            f"{each['whole_after']:.1f}, {each['promised']:g} s",
            f"{figures['fault_sight']['p95']:.2f} s",
            f"{figures['away']['p95']:.2f} s",
            str(figures["away"]["count"]),
            f"{ledger['stored']:,}",
            str(bad),
            "held" if each["held"] else "; ".join(each["failures"]) or "did not hold",
        )
        rows.append(f"| {' | '.join(cells)} |")
    scenarios = results["scenarios"]
    loads = [each["load"] for each in scenarios]
    rows += [
        "",
        f"{held} of {len(scenarios)} scenarios held; {messages:,} messages, of which lost, unseen,"
        f" doubled, out of order, skipped or leaked: {wrong}.",
        f"Taken on {scenarios[0]['machine']}, {scenarios[0]['when']} to {scenarios[-1]['when']},"
        f" at a load of {min(loads):g} to {max(loads):g}.",
    ]
    return "\n".join(rows)
