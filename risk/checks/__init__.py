"""The watchdog's checks: one pure function a file, each with its own configuration section."""
