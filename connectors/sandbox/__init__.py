"""A local applicant tracking system and the simulated hiring organization behind it.

For the demo, the documentation and tests only: no other app imports it, and it imports none.
In: a seed. Out: BambooHR's HTTP API on loopback, the past as an import file, and the truth to compare against.
Run it with ``python -m connectors.sandbox``; start it from a test with ``connectors.sandbox.process.running_sandbox``.
"""
