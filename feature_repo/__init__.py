"""The feature store: files of features over time, Feast's definitions of them, training sets, and the publisher."""
