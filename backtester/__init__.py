"""The research engine: the live decision path over history, compiled, with exact money."""
