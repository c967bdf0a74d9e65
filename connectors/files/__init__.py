"""File import: an export of any ATS, as CSV or JSONL, one event per row.

Enters: a file and a column mapping. Leaves: the same raw events a provider leaves, or a list of row-numbered errors.
"""
