"""``make bench``: ours beside peers and limits, measured in one run on servers of its own.

A figure counts only beside another figure of the same run: these machines differ and are shared.
"""
