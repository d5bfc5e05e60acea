"""Log records as evidence: what a library logged instead of raising."""

import logging


class Collected(logging.Handler):
    """Keeps log records."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one."""
        self.records.append(record)
