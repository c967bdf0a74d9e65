"""What is wrong.

Enters: ids of applications that changed, and the passing of time. Leaves: issues with evidence and an audit trail.
"""
