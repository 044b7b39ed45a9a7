"""SentenceEncoder: token and sentence embeddings of a text, computed with ONNX Runtime."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from text2sign_ros.clip import write_whole
from text2sign_ros.runtime import session_options
from text2sign_ros.text.errors import TextError

MODEL, WORDS, TOKENIZER = FILES = ("text_encoder.onnx", "word_embeddings.npy", "tokenizer.json")
"""Files of a bundle that make up the encoder."""
PHRASES = "phrases.npz"
"""Optional file of precomputed embeddings, for the texts that a bundle signs all the time."""
_UNKNOWN = ("[UNK]", "<unk>")
"""Tokens that WordPiece and Unigram tokenizers return for a character outside their vocabulary."""
CACHED_TEXTS = 256
"""Texts whose embeddings are cached: a robot says the same things again and again. 1.5 kB per token at D = 384."""


@dataclass(frozen=True)
class TextEmbedding:
    """What conditions the model on B texts of at most L tokens.

    Attributes:
        tokens: (B, L, D) float32, contextual embeddings of the word pieces in order, zero where padded.
        mask: (B, L) bool, True at the tokens of a text; the encoder's [CLS] and [SEP] are left out of both.
        sentence: (B, D) float32 of unit length.
    """

    tokens: np.ndarray
    mask: np.ndarray
    sentence: np.ndarray


class SentenceEncoder:
    """A Sentence-BERT (arXiv 1908.10084) exported by ``text2sign_ros.export.text_encoder``.

    A text's embedding does not depend on the other texts of a call: each runs alone at its true length, which on a CPU
    costs no more than a padded batch. Safe to share between threads. The model is loaded by ``load``, or with the
    first text not in ``PHRASES``: it takes 65 MB, and a bundle that signs one sign or letter at a time never needs it.

    Args:
        folder: holds ``FILES`` and optionally ``PHRASES`` (see ``save_phrases``).
        max_tokens: L, the number of tokens that every embedding is padded to.
        threads: threads that one run may use.

    Raises:
        ValueError: ``max_tokens`` or ``threads`` is less than 1.
    """

    def __init__(self, folder: Path, *, max_tokens: int, threads: int = 1) -> None:
        if max_tokens < 1 or threads < 1:
            raise ValueError(f"max_tokens is {max_tokens} and threads {threads}; both must be at least 1")
        self._folder, self._threads, self.max_tokens = folder, threads, max_tokens
        # Memory-mapped: a text needs a few of the 30,000 rows, which would take 45 MB.
        self._words = np.load(folder / WORDS, mmap_mode="r", allow_pickle=False)
        self._phrases = _read_phrases(folder / PHRASES)
        self._cached = lru_cache(CACHED_TEXTS)(self._embed)

    @cached_property
    def _model(self) -> tuple[onnxruntime.InferenceSession, Tokenizer]:
        path = str(self._folder / MODEL)
        options = session_options(self._threads)
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        return session, Tokenizer.from_file(str(self._folder / TOKENIZER))

    def load(self) -> None:
        """Load the model now rather than with the first text that needs it."""
        _ = self._model

    def knows(self, texts: Iterable[str]) -> bool:
        """Whether ``PHRASES`` has all ``texts``, so that they need no model."""
        return all(text in self._phrases for text in texts)

    def close(self) -> None:
        """Release what is loaded and mapped; nothing can be encoded after that."""
        # The cache refers to this object: without this it would live until the garbage collector runs.
        del self._cached, self._words, self._phrases
        self.__dict__.pop("_model", None)

    def count(self, text: str) -> int:
        """Number of tokens in a text, special tokens excluded."""
        return len(self._model[1].encode(text, add_special_tokens=False).ids)

    def reads(self, char: str) -> bool:
        """Whether the tokenizer has a token for a character other than the one for unknown characters."""
        tokens = self._model[1].encode(char, add_special_tokens=False).tokens
        return bool(tokens) and not any(token in _UNKNOWN for token in tokens)

    @property
    def dimensions(self) -> int:
        """D, the width of an embedding."""
        groups, size = self._words.dtype["weight"].shape
        return groups * size

    def encode(self, texts: Sequence[str]) -> TextEmbedding:
        """Embed texts; "" has no tokens, only a sentence embedding.

        Raises:
            TextError: a text has more than ``max_tokens`` tokens.
        """
        length = self.max_tokens
        tokens = np.zeros((len(texts), length, self.dimensions), np.float32)
        mask = np.zeros((len(texts), length), bool)
        sentence = np.zeros((len(texts), self.dimensions), np.float32)
        for row, text in enumerate(texts):
            own, sentence[row] = self._cached(text)
            tokens[row, : len(own)] = own
            mask[row, : len(own)] = True
        return TextEmbedding(tokens, mask, sentence)

    def _embed(self, text: str) -> tuple[np.ndarray, np.ndarray]:
        """-> (tokens of the text, D), (D,)."""
        if text in self._phrases:
            return self._phrases[text]
        session, tokenizer = self._model
        encoding = tokenizer.encode(text)
        own = np.array(encoding.special_tokens_mask) == 0
        if own.sum() > self.max_tokens:
            raise TextError(
                f"{_shortened(text)} has {own.sum()} tokens, more than the {self.max_tokens} that the model takes "
                "(max_tokens): cut it into shorter segments"
            )
        rows = self._words[encoding.ids]
        words = (rows["weight"] * rows["scale"][..., None]).reshape(1, len(rows), -1)
        tokens, sentence = session.run(None, {"words": words, "mask": np.ones(words.shape[:2], np.float32)})
        return tokens[0, own], sentence[0]


def save_phrases(encoder: SentenceEncoder, texts: Sequence[str], path: Path) -> None:
    """Write the embeddings of ``texts`` for ``PHRASES``."""
    embedding = encoder.encode(texts)
    with write_whole(path) as file:
        np.savez(
            file,
            texts=np.array(texts),
            lengths=embedding.mask.sum(axis=1),
            tokens=embedding.tokens[embedding.mask],
            sentences=embedding.sentence,
        )


def _read_phrases(path: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    if not path.exists():
        return {}
    with np.load(path, allow_pickle=False) as file:
        tokens = np.split(file["tokens"], np.cumsum(file["lengths"])[:-1])
        return dict(zip(file["texts"].tolist(), zip(tokens, file["sentences"], strict=True), strict=True))


def _shortened(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:40]}…")
