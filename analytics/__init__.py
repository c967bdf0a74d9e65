"""How long things took.

Enters: ids of applications whose ledger changed. Leaves: visits, counters and percentiles per job and stage.
"""
