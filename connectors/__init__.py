"""Providers: the only code that knows an ATS's vocabulary.

Enters: polls, files and webhooks. Leaves: raw payloads committed to the inbox, and pure functions that map
them to ``NormalizedEvent``. What is done with the facts is no business of this app.
"""
