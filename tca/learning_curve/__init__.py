"""How fast the algo wheel learns, in a simulated market: regret against the best method, and honest intervals."""
