"""The experiments in docs/results.md and the model card beyond `text2sign evaluate`, and the pictures there.

They are not installed: run them from the repository's root with ``python -m experiments.NAME`` (see ``--help``).
"""
