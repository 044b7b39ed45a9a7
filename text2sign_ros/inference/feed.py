"""Feed: the inputs from which a backend samples one segment."""

from __future__ import annotations

import numpy as np

from text2sign_ros.text import TextEmbedding

Feed = dict[str, np.ndarray]
"""Inputs of one segment, all float32. N is the number of codes of one of the bundle's buckets, L its ``max_tokens``.

noise, prefix: (1, D, N); roles: (1, 3, N), whose second channel marks the codes given by the prefix; tokens:
(1, L, 384), mask: (1, L) and sentence: (1, 384) of ``SentenceEncoder``; table: (S, 6) of ``samplers.solver_table``.
"""


def feed(text: TextEmbedding, table: np.ndarray, prefix: np.ndarray, noise: np.ndarray, total: int) -> Feed:
    """The inputs for codes that continue from ``prefix``, padded to ``total``.

    Args:
        text: the embedding of the segment's text, B = 1.
        table: (S, 6) of ``samplers.solver_table``.
        prefix: (D, P) the codes given.
        noise: (D, n) noise from which the new codes are made.
        total: N, at least P + n.

    Returns:
        the inputs; the channels of ``roles`` mark codes that exist, codes that are given, and the progress of new
        codes, from 1 / n to 1.
    """
    dimensions, given = prefix.shape
    count = noise.shape[1]
    new = slice(given, given + count)
    roles = np.zeros((1, 3, total), np.float32)
    roles[:, 0, : new.stop] = 1.0
    roles[:, 1, :given] = 1.0
    roles[:, 2, new] = np.arange(1, count + 1) / count
    start, drawn = np.zeros((2, 1, dimensions, total), np.float32)
    start[0, :, :given], drawn[0, :, new] = prefix, noise
    return {
        "noise": drawn,
        "prefix": start,
        "roles": roles,
        "tokens": text.tokens,
        "mask": text.mask.astype(np.float32),
        "sentence": text.sentence,
        "table": table,
    }
