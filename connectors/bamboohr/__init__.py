"""BambooHR's applicant tracking. In: its ten calls' answers, of which the four that list are read.
Out: jobs, stages, candidates and the hiring events that lie between two looks at an application.

BambooHR tells no history, only how things stand (documentation.bamboohr.com, "Applicant Tracking"): so
``client`` reads, ``wire`` keeps the allowed fields, ``diff`` compares with the last look, and ``mapper``
says what the difference means. A change whose detail cannot be read is left for the next run; see ``diff``.
"""
