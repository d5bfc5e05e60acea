"""Drift: whether the features, the forecasts and the results are still those of the training, and what follows when they aren't."""
