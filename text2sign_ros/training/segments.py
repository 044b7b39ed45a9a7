"""Segments for stages 2 to 4: the codes of signs or of a sentence, what comes before, and the text's embedding."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from text2sign_ros.corpora.base import FPS, CorpusError, Kind
from text2sign_ros.networks.sign_vae import SignVAE
from text2sign_ros.progress import progress_bar
from text2sign_ros.text import SentenceEncoder, TextError
from text2sign_ros.training.sentences import Sentences

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Batch:
    """Examples of one bucket of N codes.

    Attributes:
        codes: (B, D, N): ``prefix`` codes of what went before, those of the segment, zeros.
        roles: (B, 3, N): 1 where a code is, 1 where it is given clean, progress through the segment (0 to 1).
        tokens, mask, sentence: (B, L, 384), (B, L), (B, 384): the embedded text of the segment.
        seconds: (B,) duration of the segment.
        text: (B,) number of the text; equal texts have equal numbers.
    """

    codes: Tensor
    roles: Tensor
    tokens: Tensor
    mask: Tensor
    sentence: Tensor
    seconds: Tensor
    text: Tensor

    def to(self, device: torch.device) -> Batch:
        return Batch(*(value.to(device) for value in vars(self).values()))

    @property
    def new(self) -> Tensor:
        """(B, N) 1 at the codes of the segment itself."""
        return self.roles[:, 0] - self.roles[:, 1]


class Segments:
    """All segments of some sentences, sorted into buckets by length.

    Left out, with a line in the log, is what is longer than the largest bucket and what has a longer text than the
    encoder takes.

    Args:
        sentences: composed or recorded.
        vae: trained.
        encoder: what embeds the texts, in training as on the robot.
        prefix: codes before the segment, always there in training (at rest, if nothing else went before).
        buckets: numbers of codes.
        max_units: a window of 2 to ``max_units`` signs is drawn for every one that others follow, if that is more than
            1; single ones, and recorded sentences, are all taken.
        single_share: probability that an example is a single sign, if it is not a recorded sentence.

    Raises:
        CorpusError: everything is left out.
    """

    def __init__(
        self,
        sentences: Sentences,
        vae: SignVAE,
        encoder: SentenceEncoder,
        *,
        prefix: int,
        buckets: tuple[int, ...],
        max_units: int,
        single_share: float,
        seed: int,
    ) -> None:
        self.prefix, self.buckets = prefix, buckets
        self.codes, starts = encode_all(sentences, vae)
        first, last = spans(sentences, max_units, np.random.default_rng(seed))
        sentence = sentences.unit_sentence[first]

        def code(frames: np.ndarray) -> np.ndarray:
            return starts[sentence] + np.round((frames - sentences.starts[sentence]) / vae.config.stride).astype(int)

        start = code(sentences.unit_starts[first])
        length = code(sentences.unit_stops[last]) - start
        texts, text = np.unique(
            [" ".join(sentences.labels[a : b + 1]) for a, b in zip(first, last, strict=True)], return_inverse=True
        )
        short = length + prefix <= buckets[-1]
        embedded = _embed(encoder, texts[np.unique(text[short])].tolist())
        fits = short & np.isin(texts, list(embedded))[text]
        _tell(short, fits, (buckets[-1] - prefix) * vae.config.stride)
        if not fits.any():
            raise CorpusError("nothing is left to learn from; cut the recordings into shorter sentences")
        self.start, self.length = start[fits], length[fits]
        self.seconds = self.length * vae.config.stride / FPS
        self.texts, self.text = np.unique(texts[text[fits]], return_inverse=True)
        kept = [embedded[text] for text in self.texts.tolist()]
        self.tokens = pad_sequence([torch.from_numpy(tokens) for tokens, _ in kept], batch_first=True)
        self.mask = pad_sequence([torch.ones(len(tokens)) for tokens, _ in kept], batch_first=True)
        self.sentence = torch.from_numpy(np.stack([sentence for _, sentence in kept]))
        alone = np.where(first == last, sentences.kinds[first], "")[fits]  # what a unit by itself is
        self.letters = frozenset(self.texts[self.text[alone == Kind.LETTER]].tolist())
        whole = sentences.chance[sentences.unit_sentence[sentences.of(Kind.SENTENCE)]].sum()
        self.weight = self._weight(alone, sentences.chance[sentence[fits]], float(whole), single_share)
        bucket = np.searchsorted(buckets, self.length + prefix)
        self.members = [np.flatnonzero(bucket == b) for b in range(len(buckets))]
        self.chance = np.array([self.weight[m].sum() for m in self.members])
        self.chance /= self.chance.sum()

    def _weight(self, alone: np.ndarray, chance: np.ndarray, whole: float, single_share: float) -> np.ndarray:
        """How often each segment is drawn, relative to the others.

        Args:
            alone: (segments,) the kind of a unit that is by itself, "" of several.
            chance: (segments,) how often the sentence of each is to be drawn.
            whole: share of the recorded sentences.
        """
        recorded, several = alone == Kind.SENTENCE, alone == ""
        single = ~recorded & ~several
        if not several.any():
            single_share = 1.0
        # A label as rare as a word must be seen as often as a letter, of which each spelled word has many.
        weight = chance * np.where(single, 1.0 / np.bincount(self.text)[self.text], 1.0)
        shares = (whole, (1.0 - whole) * single_share, (1.0 - whole) * (1.0 - single_share))
        for members, share in zip((recorded, single, several), shares, strict=True):
            if members.any():
                weight[members] *= share / weight[members].sum()
        return weight

    def batch(self, rng: np.random.Generator, size: int) -> Batch:
        """A random batch, all of one bucket; longer buckets get fewer examples so that a step costs the same."""
        bucket = int(rng.choice(len(self.buckets), p=self.chance))
        members, codes = self.members[bucket], self.buckets[bucket]
        size = max(8, size * self.buckets[0] // codes)
        weight = self.weight[members]
        return self.gather(members[rng.choice(len(members), size, p=weight / weight.sum())], codes)

    def gather(self, chosen: np.ndarray, codes: int) -> Batch:
        """The segments of these numbers in a bucket of ``codes``."""
        start, length = self.start[chosen, None], self.length[chosen, None]
        at = np.arange(codes)[None] - self.prefix
        exists, given = at < length, np.broadcast_to(at < 0, (len(chosen), codes))
        where = torch.from_numpy(np.where(exists, start + at, 0))
        picked = (self.codes[where] * torch.from_numpy(exists)[..., None]).transpose(1, 2).contiguous()
        progress = np.where(exists & ~given, (at + 1) / length, 0.0)
        roles = torch.from_numpy(np.stack((exists, given, progress), axis=1).astype(np.float32))
        text = torch.from_numpy(self.text[chosen])
        return Batch(
            picked, roles, self.tokens[text].float(), self.mask[text], self.sentence[text],
            torch.from_numpy(self.seconds[chosen].astype(np.float32)), text,
        )  # fmt: skip


def spans(sentences: Sentences, max_units: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """First and last unit of every segment: each unit alone, and each with one to ``max_units`` - 1 that follow it."""
    units = np.arange(len(sentences.labels))
    rest = np.searchsorted(sentences.unit_sentence, sentences.unit_sentence, side="right") - units  # of its sentence
    several = units[rest >= 2] if max_units >= 2 else units[:0]
    longest = np.minimum(max_units, rest[several])
    more = 1 + (rng.random(len(several)) * (longest - 1)).astype(int)
    return np.concatenate((units, several)), np.concatenate((units, several + more))


def _embed(encoder: SentenceEncoder, texts: list[str]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Tokens (tokens of the text, D) float16 and sentence (D,) of each text; those that the encoder refuses as too long
    are missing."""
    embedded = {}
    for text in progress_bar(texts, desc="embedding texts"):
        try:
            one = encoder.encode([text])
        except TextError:
            continue
        embedded[text] = one.tokens[0, : int(one.mask.sum())].astype(np.float16), one.sentence[0]
    return embedded


def _tell(short: np.ndarray, fits: np.ndarray, most: int) -> None:
    """Say in the log what is left out: (segments,) which are short enough, which of these have a text that fits too."""
    if long := int((~short).sum()):
        _log.warning("left out %d of %d segments: they are longer than %d frames", long, len(short), most)
    if wordy := int((short & ~fits).sum()):
        _log.warning("left out %d of %d segments: their texts have more tokens than the model takes", wordy, len(short))


@torch.no_grad()
def encode_all(sentences: Sentences, vae: SignVAE) -> tuple[Tensor, np.ndarray]:
    """Standardised codes (codes, D) of all sentences laid end to end, and the first code of each sentence."""
    parts, starts, stride = [], [0], vae.config.stride
    for start, stop in zip(sentences.starts, sentences.starts[1:], strict=False):
        stop -= (stop - start) % stride
        positions = torch.from_numpy(sentences.positions[start:stop].astype(np.float32))
        parts.append(vae.to_codes(positions[None])[0].T)
        starts.append(starts[-1] + len(parts[-1]))
    return torch.cat(parts), np.array(starts[:-1])
