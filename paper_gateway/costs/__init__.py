"""What each way to work an order costs on the simulated market: ``python -m paper_gateway.costs``."""
