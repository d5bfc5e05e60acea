"""The veto on entries: a model of plain numbers, the folder that holds it, and the rules by which it stands.

Pure but for `portfolio.veto.store`, which reads files. Training is `ml`; the live engine's side is `portfolio.live_manager`.
"""
