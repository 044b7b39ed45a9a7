"""What docs/results.md and the model card show besides `text2sign evaluate`, and what draws their pictures.

Not installed: run from the repository's root, with ``python -m experiments.NAME`` (``--help`` says what can be set).
"""
