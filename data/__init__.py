"""Market data: bars, history, calendars, files."""
