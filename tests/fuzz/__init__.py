"""Every parser of outside data under random and coverage-guided input: ``make fuzz``."""
