"""A run for people: one table, violations first."""

from __future__ import annotations

from ledger.figures import Spread
from ledger.run import Result
from ledger.verdict import KINDS

NAMES = {
    "sight": "commit to sight",
    "fault_sight": "… around the fault",
    "away": "without a socket",
    "notice": "fault to closed socket",
    "acked": "wish to acknowledgement",
}

TRUTHS = {"database": "database's table", "api": "history that the API tells a member"}


def table(result: Result) -> str:
    """The result as lines of text."""
    lines = [
        f"{result.stored} messages in {result.size.rooms} rooms, {result.size.clients} sockets,"
        f" {result.seconds:.0f} s; held against the {TRUTHS[result.truth]}",
        "",
    ]
    for kind, faults in result.verdict.kinds.items():
        lines.append(f"  {kind:<11}{faults.count:>7}   {KINDS[kind]}")
        lines += [f"  {'':<21}{example}" for example in faults.examples]
    lines += ["", f"  {'seconds':<26}{'count':>8}{'median':>9}{'p95':>9}{'max':>9}"]
    for name, title in NAMES.items():
        spread: Spread = getattr(result.figures, name)
        if spread.count:
            lines.append(
                f"  {title:<26}{spread.count:>8}{spread.p50:>9.3f}"
                f"{spread.p95:>9.3f}{spread.most:>9.3f}"
            )
    for title, counts in (
        ("sockets ended", {str(code): count for code, count in result.cuts.items()}),
        ("tries repeated", result.retried),
    ):
        if counts:
            told = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
            lines.append(f"  {title:<26}{told}")
    return "\n".join(lines)
