"""Is it more than luck? Walk-forward, combinatorial cross-validation, Monte Carlo, scenarios, overfitting measures.

`windows`, `selection`, `walk_forward`, `nested`, `combinatorial`
    Parameters that are chosen on one part of the history and traded on another.
`bootstrap`, `block_length`, `monte_carlo`, `resampling`
    Many histories made of one: of its returns, its round trips, its bars; other parameters, other costs.
`shocks`, `crises`, `scenarios`
    Prices and volumes with a shock, and the crises that the data covers.
`overfitting`
    How much the best of many trials says.
`options`
    The command line of all of it (argparse only).
"""
