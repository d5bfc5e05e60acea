"""The second line: checks, monitors and the kill sequence. Imports core only."""
