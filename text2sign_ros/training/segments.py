"""Segments for stages 2 and 3: the codes of one or more signs, what comes before them, and their text's embedding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

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
        stride = vae.config.stride
        self.prefix, self.buckets = prefix, buckets
        self.codes, starts = encode_all(sentences, vae)
        rng = np.random.default_rng(seed)
        units = len(sentences.labels)
        last_of = np.searchsorted(sentences.unit_sentence, sentences.unit_sentence, side="right")
        first, count = np.arange(units), np.ones(units, int)
        several = first[last_of - first >= 2]
        first = np.concatenate((first, several))
        longest = np.minimum(max_units, last_of[several] - several)
        count = np.concatenate((count, 2 + (rng.random(len(several)) * (longest - 1)).astype(int)))
        base = sentences.starts[sentences.unit_sentence[first]]
        code_base = starts[sentences.unit_sentence[first]]
        self.start = code_base + np.round((sentences.unit_starts[first] - base) / stride).astype(int)
        stop = code_base + np.round((sentences.unit_stops[first + count - 1] - base) / stride).astype(int)
        self.length = stop - self.start
        self.seconds = self.length * stride / 25.0
        texts = [" ".join(sentences.labels[f : f + c]) for f, c in zip(first, count, strict=True)]
        fits = self.length + prefix <= buckets[-1]
        self.start, self.length, self.seconds = self.start[fits], self.length[fits], self.seconds[fits]
        self.texts, self.text = np.unique(np.array(texts)[fits], return_inverse=True)
        self.single = count[fits] == 1
        self.bucket = np.searchsorted(buckets, self.length + prefix)
        embedded = [
            encoder.encode([text]) for text in tqdm(self.texts.tolist(), desc="embedding texts", mininterval=2.0)
        ]
        most = max(int(e.mask.sum()) for e in embedded)
        self.tokens = torch.from_numpy(np.concatenate([e.tokens[:, :most] for e in embedded]).astype(np.float16))
        self.mask = torch.from_numpy(np.concatenate([e.mask[:, :most] for e in embedded]).astype(np.float32))
        self.sentence = torch.from_numpy(np.concatenate([e.sentence for e in embedded]))
        # A label as rare as a word must be seen as often as a letter, of which each spelled word has many.
        rarity = np.where(self.single, 1.0 / np.bincount(self.text)[self.text], 1.0)
        share = np.where(self.single, single_share, 1.0 - single_share)
        self.weight = share * rarity / np.where(self.single, rarity[self.single].sum(), rarity[~self.single].sum())
        self.members = [np.flatnonzero(self.bucket == b) for b in range(len(buckets))]
        self.chance = np.array([self.weight[m].sum() for m in self.members])
        self.chance /= self.chance.sum()

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
