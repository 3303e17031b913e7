"""The ledger: clients as docs/protocol.md describes them, who write down all that they are told.

`python -m ledger --help` runs it alone; `chaos.py` runs it under every fault; `ledger.beside` runs
it beside a test.
"""
