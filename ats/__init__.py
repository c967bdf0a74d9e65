"""The ledger: what happened, and how things stand.

Enters: batches of raw payloads. Leaves: rows of the append-only ledger, and snapshots that are a function of it.
"""
