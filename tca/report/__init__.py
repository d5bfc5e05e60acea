"""The report: queries over the database, as tables on the terminal and as a page."""
