"""Signer: text in, motion out, segment by segment, with a bundle and a backend."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import tee, zip_longest
from pathlib import Path

import numpy as np

from text2sign_ros import skeleton
from text2sign_ros.clip import SignClip
from text2sign_ros.inference.backends import Backend, open_backend
from text2sign_ros.inference.backends.onnx import session
from text2sign_ros.inference.bundle import BundleError, open_bundle
from text2sign_ros.inference.feed import feed
from text2sign_ros.inference.noise import smooth_noise
from text2sign_ros.inference.samplers import SamplerError, alphas_cumprod, solver_table
from text2sign_ros.motion import kinematics
from text2sign_ros.motion.hold import BRAKE, accelerate, brake
from text2sign_ros.motion.limits import Limits, stretch
from text2sign_ros.motion.nonmanual import Passage, express
from text2sign_ros.motion.smoothing import smooth
from text2sign_ros.motion.timeline import PAUSE, REST, Timeline, captions
from text2sign_ros.motion.transition import transition
from text2sign_ros.text import Boundary, Plan, Segment, Senses, SentenceEncoder, TextEmbedding, UnitSegmenter
from text2sign_ros.text import plan as plan_text

RETURN_FRAMES = 20
"""Frames of the return to rest after a text."""
_SETTLE_FRAMES = 8
"""Frames over which the small difference between the rest pose and its decoded code fades in."""
NO_LIMITS = Limits()
WORD_HOLD = 0.24
"""Seconds by which the last letter of a spelled word is extended if another spelled word follows: the pause lets
readers see where one word ends and the next starts."""
MIN_CODES = 6
"""Minimum number of codes in a segment, whatever the predicted duration."""


@dataclass(frozen=True)
class _Part:
    """A segment with its embedding, its number of codes, and the number of frames for which it is held at its end."""

    segment: Segment
    embedding: TextEmbedding
    codes: int
    held: int


class Signer:
    """Signs texts with a bundle. Not thread-safe: one caller at a time.

    Args:
        bundle: folder of the bundle.
        preset: number of sampling steps, by its name in the bundle; None is the bundle's default.
        steps: a number of steps instead of a preset.
        backend: what runs the networks: one of ``backends.NAMES``, or a backend object.
        cache: folder for engines built for this machine; None is ``backends.default_cache()``.
        threads: threads of the inference engine on a CPU; on a busy machine more than one is slower.
        senses: choose among the signs of a word by its sentence (docs/markup.md), where the bundle has any to choose
            from: takes another 75 MB and, for each sentence with such a word, one run of the text encoder.

    Raises:
        BundleError: the bundle is missing, damaged or not loadable.
        BackendError: an unknown backend.
        SamplerError: an unknown preset, or steps out of range.
    """

    def __init__(
        self,
        bundle: str | Path,
        *,
        preset: str | None = None,
        steps: int | None = None,
        backend: str | Backend = "auto",
        cache: Path | None = None,
        threads: int = 1,
        senses: bool = False,
    ) -> None:
        with open_bundle(Path(bundle)) as (self.bundle, folder):
            self.steps = self._preset_steps(preset) if steps is None else steps
            schedule = alphas_cumprod(self.bundle.timesteps, self.bundle.beta_start, self.bundle.beta_end)
            self._table = solver_table("lcm", schedule, self.steps)
            try:
                self._encoder = SentenceEncoder(folder, max_tokens=self.bundle.max_tokens, threads=threads)
                self._segmenter = self.bundle.segmenter.make(
                    self._encoder, max_tokens=self.bundle.max_tokens, longest=self.bundle.longest_segment
                )
                choosing = senses and self._choose_senses()
                texts = self._segmenter.texts
                if choosing or texts is None or not self._encoder.knows(texts):
                    self._encoder.load()  # now, because the folder is deleted after this
            except Exception as error:  # ONNX Runtime and tokenizers have no common base class for what they can raise
                cause = str(error).replace(str(folder), str(self.bundle.folder))
                raise BundleError(f"the text encoder of {self.bundle.folder} can't be loaded: {cause}") from error
            self._duration = session(folder / "duration.onnx", threads=1, home=self.bundle.folder)
            if isinstance(backend, str):
                backend = open_backend(backend, folder, self.bundle, threads=threads, cache=cache)
            self._backend = backend

    def _choose_senses(self) -> bool:
        """Let the segmenter choose among the signs of a word; returns whether it has any to choose from."""
        if not isinstance(self._segmenter, UnitSegmenter):
            return False
        encoder = self._encoder
        senses = Senses(self._segmenter.vocabulary, lambda texts: encoder.encode(texts).sentence)
        if senses:
            self._segmenter = replace(self._segmenter, senses=senses)
        return bool(senses)

    def _preset_steps(self, preset: str | None) -> int:
        presets = self.bundle.presets
        if preset is not None and preset not in presets:
            raise SamplerError(f"preset is {preset!r}; this bundle has {', '.join(presets)}")
        return presets[self.bundle.preset if preset is None else preset]

    @property
    def fps(self) -> float:
        """Frames per second of the motion."""
        return self.bundle.fps

    @property
    def backend(self) -> str:
        """What actually runs the networks, and on which device."""
        return self._backend.name

    def close(self) -> None:
        """Release what the networks hold; nothing can be signed after that."""
        self._encoder.close()
        del self._duration
        self._backend.close()

    @property
    def phrases(self) -> frozenset[tuple[str, ...]]:
        """Signs as tuples of their words, which must not be separated; empty if the model signs whole sentences."""
        return self._segmenter.phrases

    @property
    def forms(self) -> Mapping[str, str]:
        """Inflected forms of their words, which stand for them."""
        return self._segmenter.forms

    def plan(self, text: str, *, max_characters: int = 100_000) -> Plan:
        """Cut a text into segments.

        Raises:
            TextError: nothing in the text can be signed, or it is longer than ``max_characters``.
        """
        return plan_text(text, self._segmenter, max_characters=max_characters)

    def timeline(self, plan: Plan) -> list[tuple[str, int]]:
        """(text, frames) of each sign with its pause, in order, and last the return to rest (text ""); without limits.

        ``stream`` fills its timeline with the same entries, and they are right with limits too.
        """
        timeline = Timeline()
        for _ in self._noted(self._parts(plan), timeline):
            pass
        return captions(timeline.take())

    def sign(self, text: str, *, seed: int = 0, limits: Limits = NO_LIMITS) -> SignClip:
        """The complete motion of a text, from rest and back to rest; ``stream`` yields the same while it is generated.

        Raises:
            TextError: as ``plan``.
        """
        positions = np.concatenate(list(self.stream(self.plan(text), seed=seed, limits=limits)))
        return SignClip(positions, np.ones(positions.shape[:2], np.float32), self.fps)

    def stream(
        self, plan: Plan, *, seed: int = 0, limits: Limits = NO_LIMITS, timeline: Timeline | None = None
    ) -> Iterator[np.ndarray]:
        """The motion, one piece per segment as soon as it is sampled; the same seed gives the same motion.

        Args:
            plan: of the text.
            seed: of the noise.
            limits: of every keypoint's motion.
            timeline: a new one, which is filled with what the yielded frames show.

        Yields:
            (n, 79, 3) float32 metres in frame ``signer``, consecutive frames from rest and back to rest. A piece ends
            a few frames before its segment, because they depend on how the motion continues. Head and brows show the
            markers of the text's tags and punctuation (docs/markup.md); a statement has none.
        """
        planned = self._parts(plan)
        parts, again = tee(planned if timeline is None else self._noted(planned, timeline))
        passages = (
            Passage(
                self._frames(part),
                part.segment.manner.markers,
                ends=part.segment.units[-1].boundary == Boundary.SENTENCE,
            )
            for part in again
        )
        # After the smoothing, which treats keypoints independently and would deform a turning face.
        pieces = express(smooth(self._pieces(parts, seed), self.fps), passages, self.fps)
        return (stretch if timeline is None else timeline.stretch)(pieces, self.fps, limits)

    def _noted(self, parts: Iterator[_Part], timeline: Timeline) -> Iterator[_Part]:
        """The same parts, each added to ``timeline`` before it is generated; the return to rest is added last."""
        for part in parts:
            units, frames = part.segment.units, part.codes * self.bundle.stride
            timeline.mark(part.segment.manner.markers - {"plain"})
            for number, unit in enumerate(units):
                share = frames * (number + 1) // len(units) - frames * number // len(units)
                timeline.add(
                    unit.kind,
                    unit.text,
                    share,
                    word=unit.word,
                    estimated=len(units) > 1,
                    said=unit.said,
                    alternative=unit.alternative,
                )
            if part.held:
                timeline.add(PAUSE, "", part.held)
            if units[-1].boundary == Boundary.SENTENCE:
                timeline.mark(())
            yield part
        timeline.mark(())
        timeline.add(REST, "", RETURN_FRAMES)

    def _pieces(self, parts: Iterator[_Part], seed: int) -> Iterator[np.ndarray]:
        """The sampled segments, each continuing the one before, held for pauses; then the return to rest."""
        bundle = self.bundle
        prefix = np.repeat(np.array(bundle.rest_code, np.float32)[:, None], bundle.prefix_codes, axis=1)
        last = np.stack((skeleton.REST_POSE, skeleton.REST_POSE))
        braked = 0  # frames that slow down before a pause and speed up after it
        for number, part in enumerate(parts):
            codes, positions = self._sample(part.embedding, part.codes, prefix, np.random.default_rng((seed, number)))
            if number == 0:
                fade = np.linspace(1.0, 0.0, _SETTLE_FRAMES, endpoint=False)[:, None, None]
                positions[:_SETTLE_FRAMES] += fade * (skeleton.REST_POSE - positions[0])
            prefix = np.concatenate((prefix, codes), axis=1)[:, -bundle.prefix_codes :]
            still, last = last[1:], kinematics.with_canonical_lengths(positions[-2:])
            if braked:
                positions = np.concatenate(
                    (accelerate(np.concatenate((still, positions[:braked]))), positions[braked:])
                )
            braked = min(BRAKE, part.held // 2)
            if part.held:
                last = last[[1, 1]]
                slower, stay = brake(positions[-braked - 1 :]), np.repeat(last[1:], part.held - 2 * braked, axis=0)
                positions = np.concatenate((positions[: len(positions) - braked], slower, stay))
            yield positions
        back = transition(last[1], skeleton.REST_POSE, RETURN_FRAMES - 1, start_step=last[1] - last[0])
        yield np.concatenate((np.repeat(last[1:], braked, axis=0), back, skeleton.REST_POSE[None]))

    def warm_up(self) -> None:
        """Sign a word and discard it: the first run of a session is the slowest."""
        for _ in self.stream(self.plan(self._segmenter.example)):
            pass

    def _frames(self, part: _Part) -> int:
        return part.codes * self.bundle.stride + part.held

    def _parts(self, plan: Plan) -> Iterator[_Part]:
        bundle = self.bundle
        most = bundle.longest_segment // bundle.stride
        segments, ahead = tee(plan.segments)
        next(ahead)
        for segment, following in zip_longest(segments, ahead):
            embedding = self._encoder.encode([segment.text])
            (seconds,) = self._duration.run(None, {"tokens": embedding.tokens, "mask": np.float32(embedding.mask)})[0]
            seconds /= segment.manner.pace
            last, first = segment.units[-1], following.units[0] if following else None
            if first is not None and last.spelled and first.spelled and last.word != first.word:
                seconds += WORD_HOLD
            codes = int(np.clip(np.rint(seconds * bundle.fps / bundle.stride), MIN_CODES, most))
            yield _Part(segment, embedding, codes, round(last.pause * bundle.fps))

    def _sample(
        self, embedding: TextEmbedding, count: int, prefix: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """``count`` new codes (D, count) that continue from ``prefix`` (D, P), and their frames (n, 79, 3)."""
        stride, given = self.bundle.stride, prefix.shape[1]
        total = next(bucket // stride for bucket in self.bundle.buckets if bucket // stride >= given + count)
        noise = smooth_noise((len(prefix), count), self.bundle.temperature, self.bundle.noise_smoothing, rng)
        codes, positions = self._backend.sample(feed(embedding, self._table, prefix, noise, total))
        new = slice(given, given + count)
        return codes[0, :, new], positions[0, given * stride : (given + count) * stride].copy()
