"""Segments for stages 2 to 4: the codes of signs or of a sentence, the codes before them, and the text's embedding."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from text2sign_ros.corpora.base import FPS, CorpusError, Kind
from text2sign_ros.networks.pose_vae import PoseVAE
from text2sign_ros.progress import progress_bar
from text2sign_ros.text import SentenceEncoder, TextError
from text2sign_ros.training.sentences import Sentences

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Batch:
    """Examples in one bucket of N codes.

    Attributes:
        codes: (B, D, N): the ``prefix`` codes before the segment, the segment's codes, zeros.
        roles: (B, 3, N): 1 where a code exists, 1 where it is given clean, progress through the segment (0 to 1).
        tokens, mask, sentence: (B, L, 384), (B, L), (B, 384): the embedded text of the segment.
        seconds: (B,) duration of the segment.
        text: (B,) index of the text; equal texts have equal indices.
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
        """(B, N) 1 at the codes of the segment, 0 at its prefix and padding."""
        return self.roles[:, 0] - self.roles[:, 1]


class Segments:
    """All segments of some sentences, sorted into buckets by length.

    Segments that are longer than the largest bucket or whose text is too long for the encoder are left out and logged.

    Args:
        sentences: composed or recorded.
        vae: trained.
        encoder: embeds the texts, the same in training as on the robot.
        prefix: codes before the segment, always present in training (at rest if nothing precedes it).
        buckets: their numbers of codes.
        max_units: if above 1, a window of 2 to ``max_units`` units is drawn from each unit that others follow; all
            single units, and all recorded sentences, are segments too.
        single_share: probability that an example that is not a recorded sentence is a single sign or letter.

    Raises:
        CorpusError: everything is left out.
    """

    def __init__(
        self,
        sentences: Sentences,
        vae: PoseVAE,
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
        _log_left_out(short, fits, (buckets[-1] - prefix) * vae.config.stride)
        if not fits.any():
            raise CorpusError("no segment is left to train on; cut the recordings into shorter sentences")
        self.start, self.length = start[fits], length[fits]
        self.seconds = self.length * vae.config.stride / FPS
        self.texts, self.text = np.unique(texts[text[fits]], return_inverse=True)
        kept = [embedded[text] for text in self.texts.tolist()]
        self.tokens = pad_sequence([torch.from_numpy(tokens) for tokens, _ in kept], batch_first=True)
        self.mask = pad_sequence([torch.ones(len(tokens)) for tokens, _ in kept], batch_first=True)
        self.sentence = torch.from_numpy(np.stack([sentence for _, sentence in kept]))
        alone = np.where(first == last, sentences.kinds[first], "")[fits]  # kind of single units
        self.alone = alone != ""
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
            alone: (segments,) the kind of a single unit, "" for several.
            chance: (segments,) how often the sentence of each should be drawn.
            whole: share of the recorded sentences.
        """
        recorded, several = alone == Kind.SENTENCE, alone == ""
        single = ~recorded & ~several
        if not several.any():
            single_share = 1.0
        # Letters occur a hundred times as often as the signs of a large vocabulary: what is a hundred times as frequent
        # is drawn ten times as often (Mahajan et al. 2018, section 2.2), since letters vary more and are used more.
        weight = chance * np.where(single, np.bincount(self.text)[self.text] ** -0.5, 1.0)
        shares = (whole, (1.0 - whole) * single_share, (1.0 - whole) * (1.0 - single_share))
        for members, share in zip((recorded, single, several), shares, strict=True):
            if members.any():
                weight[members] *= share / weight[members].sum()
        return weight

    def embeddings(self) -> tuple[Tensor, Tensor]:
        """Token (n, 384) and sentence embeddings (m, 384) of the texts of single signs, letters and recordings."""
        texts = torch.from_numpy(np.unique(self.text[self.alone]))
        return self.tokens[texts][self.mask[texts] > 0].float(), self.sentence[texts]

    def batch(self, rng: np.random.Generator, size: int) -> Batch:
        """A random batch from one bucket; longer buckets get fewer examples so that all steps cost the same."""
        bucket = int(rng.choice(len(self.buckets), p=self.chance))
        members, codes = self.members[bucket], self.buckets[bucket]
        size = max(8, size * self.buckets[0] // codes)
        weight = self.weight[members]
        return self.gather(members[rng.choice(len(members), size, p=weight / weight.sum())], codes)

    def gather(self, chosen: np.ndarray, codes: int) -> Batch:
        """The segments with these indices in a bucket of ``codes``."""
        start, length = self.start[chosen, None], self.length[chosen, None]
        at = np.arange(codes)[None] - self.prefix
        exists, given = at < length, np.broadcast_to(at < 0, (len(chosen), codes))
        where = torch.from_numpy(np.where(exists, start + at, 0))
        picked = (self.codes[where] * torch.from_numpy(exists)[..., None]).transpose(1, 2).contiguous()
        progress = np.where(exists & ~given, (at + 1) / length, 0.0)
        roles = torch.from_numpy(np.stack((exists, given, progress), axis=1).astype(np.float32))
        text = torch.from_numpy(self.text[chosen])
        mask = self.mask[text]
        longest = int(mask.sum(dim=1).max())  # most are words of a few tokens, and all layers that see them cost time
        return Batch(
            picked, roles, self.tokens[text, :longest].float(), mask[:, :longest], self.sentence[text],
            torch.from_numpy(self.seconds[chosen].astype(np.float32)), text,
        )  # fmt: skip


def spans(sentences: Sentences, max_units: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """First and last unit of every segment: each unit alone, and each with one to ``max_units`` - 1 units after it."""
    units = np.arange(len(sentences.labels))
    rest = np.searchsorted(sentences.unit_sentence, sentences.unit_sentence, side="right") - units  # of its sentence
    several = units[rest >= 2] if max_units >= 2 else units[:0]
    longest = np.minimum(max_units, rest[several])
    more = 1 + (rng.random(len(several)) * (longest - 1)).astype(int)
    return np.concatenate((units, several)), np.concatenate((units, several + more))


def _embed(encoder: SentenceEncoder, texts: list[str]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Tokens (tokens of the text, D) float16 and sentence (D,) of each text, without those too long for the encoder."""
    embedded = {}
    for text in progress_bar(texts, desc="embedding texts"):
        try:
            one = encoder.encode([text])
        except TextError:
            continue
        embedded[text] = one.tokens[0, : int(one.mask.sum())].astype(np.float16), one.sentence[0]
    return embedded


def _log_left_out(short: np.ndarray, fits: np.ndarray, most: int) -> None:
    """Log what is left out; (segments,) ``short``: short enough, ``fits``: short enough and with a text that fits."""
    if long := int((~short).sum()):
        _log.warning("left out %d of %d segments: they are longer than %d frames", long, len(short), most)
    if wordy := int((short & ~fits).sum()):
        _log.warning(
            "left out %d of %d segments: their texts have more tokens than the model accepts", wordy, len(short)
        )


@torch.no_grad()
def encode_all(sentences: Sentences, vae: PoseVAE) -> tuple[Tensor, np.ndarray]:
    """Standardised codes (codes, D) of all sentences, concatenated, and the first code of each sentence."""
    parts, starts, stride = [], [0], vae.config.stride
    for start, stop in zip(sentences.starts, sentences.starts[1:], strict=False):
        stop -= (stop - start) % stride
        positions = torch.from_numpy(sentences.positions[start:stop].astype(np.float32))
        parts.append(vae.to_codes(positions[None])[0].T)
        starts.append(starts[-1] + len(parts[-1]))
    return torch.cat(parts), np.array(starts[:-1])
