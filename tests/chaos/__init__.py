"""The randomised campaign over the fault catalogue: ``make chaos``."""
