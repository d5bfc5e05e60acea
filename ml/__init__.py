"""Training of models: programs that read what was logged and write model files. Nothing here trades."""
