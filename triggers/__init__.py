"""Who should do what about it.

Enters: issues that opened or resolved. Leaves: tasks for people, one open task per issue.
"""
