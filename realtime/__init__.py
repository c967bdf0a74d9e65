"""Tell the screen.

Enters: ids of what changed. Leaves: numbered updates in a log, and a hint to every open browser.
"""
