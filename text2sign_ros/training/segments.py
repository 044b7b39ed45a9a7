"""Segments for stages 2 and 3: the codes of one or more signs, what comes before them, and their text's embedding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from text2sign_ros.corpora.asl_cafe import FPS
from text2sign_ros.networks.sign_vae import SignVAE
from text2sign_ros.text import SentenceEncoder
from text2sign_ros.training.sentences import Sentences


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

    Args:
        sentences: the composed sentences.
        vae: trained.
        encoder: what embeds the texts, in training as on the robot.
        prefix: codes before the segment, always there in training (at rest, if nothing else went before).
        buckets: numbers of codes.
        max_units: a window of 2 to ``max_units`` signs is drawn for every one; single ones are all taken.
        single_share: probability that an example is a single sign.
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

        self.start = code(sentences.unit_starts[first])
        self.length = code(sentences.unit_stops[last]) - self.start
        texts = np.array([" ".join(sentences.labels[a : b + 1]) for a, b in zip(first, last, strict=True)])
        fits = self.length + prefix <= buckets[-1]
        self.start, self.length, single = self.start[fits], self.length[fits], (first == last)[fits]
        self.seconds = self.length * vae.config.stride / FPS
        self.texts, self.text = np.unique(texts[fits], return_inverse=True)
        self._embed(encoder)
        # A label as rare as a word must be seen as often as a letter, of which each spelled word has many.
        rarity = np.where(single, 1.0 / np.bincount(self.text)[self.text], 1.0)
        share = np.where(single, single_share, 1.0 - single_share)
        self.weight = share * rarity / np.where(single, rarity[single].sum(), rarity[~single].sum())
        bucket = np.searchsorted(buckets, self.length + prefix)
        self.members = [np.flatnonzero(bucket == b) for b in range(len(buckets))]
        self.chance = np.array([self.weight[m].sum() for m in self.members])
        self.chance /= self.chance.sum()

    def _embed(self, encoder: SentenceEncoder) -> None:
        """Tokens (texts, L, 384), mask (texts, L) and sentence (texts, 384) of every text; L is the longest's."""
        bar = tqdm(self.texts.tolist(), desc="embedding texts", mininterval=2.0)
        embedded = [encoder.encode([text]) for text in bar]
        longest = max(int(e.mask.sum()) for e in embedded)
        self.tokens = torch.from_numpy(np.concatenate([e.tokens[:, :longest] for e in embedded]).astype(np.float16))
        self.mask = torch.from_numpy(np.concatenate([e.mask[:, :longest] for e in embedded]).astype(np.float32))
        self.sentence = torch.from_numpy(np.concatenate([e.sentence for e in embedded]))

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
    several = units[rest >= 2]
    longest = np.minimum(max_units, rest[several])
    more = 1 + (rng.random(len(several)) * (longest - 1)).astype(int)
    return np.concatenate((units, several)), np.concatenate((units, several + more))


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
