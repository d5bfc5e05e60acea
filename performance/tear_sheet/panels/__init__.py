"""The figures of reports, one family a file: functions from arrays to `Figure`, `Table` or `Tiles`.

A panel whose data can't say anything (too few sessions, no fills) returns None and is left out.
"""
