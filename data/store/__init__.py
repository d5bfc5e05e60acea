"""The history store: one DuckDB file with bars, corporate actions and the progress of downloads.

DuckDB lets one process write and, while it does, nobody read. So one writer owns ``NAME.duckdb`` and publishes a copy,
``NAME.read.duckdb``, whenever it has finished a piece of work; readers open only that copy.
"""
