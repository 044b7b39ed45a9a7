"""Retrieval: ranks and chance by hand and by trial, pools, and the pictures of an untrained aligner."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from experiments.aligner import map_picture, similarity_picture
from text2sign_ros.evaluation.retrieval import (
    chance,
    embed_poses,
    embed_texts,
    pools,
    ranking,
    ranks,
    retrieval,
)
from text2sign_ros.networks.aligner import Aligner, AlignerConfig
from text2sign_ros.networks.pose_vae import SignVAEConfig
from text2sign_ros.networks.sign_vae import SignVAE
from text2sign_ros.skeleton import REST_POSE
from text2sign_ros.text import TextEmbedding
from text2sign_ros.training.segments import Segments, encode_all
from text2sign_ros.training.sentences import Sentences

LABELS = ("hello", "tea", "thank you", "a", "b")
FRAMES = 12


class Encoder:
    """Embeds a text by its letters."""

    def encode(self, texts: list[str]) -> TextEmbedding:
        ((text),) = texts
        tokens, mask = np.zeros((1, 64, 384), np.float32), np.zeros((1, 64), bool)
        for i, letter in enumerate(re.sub(" ", "", text)):
            tokens[0, i, ord(letter) % 384], mask[0, i] = 1, True
        return TextEmbedding(tokens, mask, tokens.mean(axis=1))


@pytest.fixture(scope="module")
def segments() -> Segments:
    """Of 12 sentences of four signs, each sign a place where it is made and some noise."""
    rng = np.random.default_rng(0)
    units = rng.integers(len(LABELS), size=48)
    places = rng.normal(scale=0.2, size=(len(LABELS), 79, 3))
    positions = REST_POSE + places[np.repeat(units, FRAMES)] + rng.normal(scale=0.01, size=(48 * FRAMES, 79, 3))
    stops = FRAMES * np.arange(1, 49)
    sentences = Sentences(
        positions.astype(np.float16), np.ones(positions.shape[:2], np.float16), 4 * FRAMES * np.arange(13),
        np.arange(48) // 4, stops - FRAMES, stops, np.array(LABELS)[units],
        np.where(units < 3, "sign", "letter"), np.full(12, 1 / 12),
    )  # fmt: skip
    torch.manual_seed(0)
    vae = SignVAE(SignVAEConfig(channels=8, blocks=1)).eval()
    codes, _ = encode_all(sentences, vae)
    vae.code_mean.copy_(codes.mean(dim=0)[:, None])
    vae.code_std.copy_(codes.std(dim=0)[:, None])
    # A prefix of no codes: these sentences have no rest before them.
    options = {"prefix": 0, "buckets": (8, 32), "max_units": 3, "single_share": 0.5, "seed": 0}
    return Segments(sentences, vae, Encoder(), **options)  # type: ignore[arg-type]


@pytest.fixture
def aligner() -> Aligner:
    torch.manual_seed(1)
    return Aligner(AlignerConfig(width=16, layers=1, heads=2, shared_dim=32))


def test_ranks_by_hand() -> None:
    similarity = np.array([[0.9, 0.1, 0.5], [0.9, 0.1, 0.5], [0.9, 0.1, 0.5], [0.2, 0.2, 0.2]])
    same = np.array([[1, 0, 0], [0, 1, 0], [0, 1, 1], [0, 1, 0]], bool)
    # The best of two right ones counts; wrong ones that are as near count as before it.
    np.testing.assert_array_equal(ranks(similarity, same), [1, 3, 2, 3])


def test_a_perfect_embedding_finds_all_and_one_for_all_nothing() -> None:
    text = np.repeat(np.arange(10), 3)
    same = np.arange(10)[:, None] == text
    perfect, collapsed = ranking(same.astype(float), same), ranking(np.ones(same.shape), same)
    assert (perfect.recall_1, perfect.recall_5, perfect.median_rank) == (1, 1, 1)
    assert (collapsed.recall_1, collapsed.recall_5, collapsed.median_rank) == (0, 0, 28)
    assert (perfect.queries, perfect.candidates) == (10, 30)


def test_chance_of_one_right_candidate() -> None:
    results = ranking(np.eye(20), np.eye(20, dtype=bool))
    assert results.chance_recall_1 == pytest.approx(1 / 20)
    assert results.chance_recall_5 == pytest.approx(5 / 20)
    assert results.chance_median_rank == 10


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=4), st.integers(0, 100))
def test_chance_is_what_random_orders_give(right: list[int], seed: int) -> None:
    same = np.arange(8) < np.array(right)[:, None]
    rng = np.random.default_rng(seed)
    found = np.concatenate([ranks(rng.random(same.shape), same) for _ in range(400)])
    expected = chance(same)
    assert expected[-1] == pytest.approx(1)
    np.testing.assert_allclose([(found <= k + 1).mean() for k in range(8)], expected, atol=0.13)


def test_pools_are_balanced_distinct_and_the_same_again(segments: Segments) -> None:
    single, several = pools(segments, LABELS, single_poses=4, several_texts=10)
    assert [sum(segments.texts[segments.text[single]] == label) for label in LABELS] == [4] * 5
    assert len(set(segments.text[several])) == len(several) == 10
    assert not set(segments.texts[segments.text[several]]) & set(LABELS)
    for one, other in zip((single, several), pools(segments, LABELS, single_poses=4, several_texts=10), strict=True):
        np.testing.assert_array_equal(one, other)


def test_embeddings_do_not_depend_on_what_is_embedded_beside_them(segments: Segments, aligner: Aligner) -> None:
    chosen = np.array([5, 60, 0, 31])
    poses = embed_poses(aligner, segments, chosen)
    np.testing.assert_allclose(np.linalg.norm(poses, axis=1), 1, rtol=1e-5)
    for number, pose in zip(chosen, poses, strict=True):
        np.testing.assert_allclose(embed_poses(aligner, segments, np.array([number]))[0], pose, atol=1e-5)
    texts = embed_texts(aligner, segments, np.arange(len(segments.texts)))
    np.testing.assert_allclose(embed_texts(aligner, segments, np.array([2]))[0], texts[2], atol=1e-5)


def test_retrieval_counts_both_directions_over_the_pools(segments: Segments, aligner: Aligner) -> None:
    results = retrieval(aligner, segments, LABELS)
    single, several = pools(segments, LABELS)
    assert (results.single_text_to_pose.queries, results.single_text_to_pose.candidates) == (5, len(single))
    assert (results.single_pose_to_text.queries, results.single_pose_to_text.candidates) == (len(single), 5)
    assert results.single_pose_to_text.chance_recall_1 == pytest.approx(1 / 5)
    assert results.several_pose_to_text.queries == results.several_text_to_pose.candidates == len(several)
    assert results == retrieval(aligner, segments, LABELS)


def test_retrieval_rises_with_learning(segments: Segments, aligner: Aligner) -> None:
    before = retrieval(aligner, segments, LABELS).single_pose_to_text
    optimizer = torch.optim.Adam(aligner.parameters(), lr=3e-3)
    for step in range(40):
        batch = segments.batch(np.random.default_rng(step), 32)
        same = (batch.text[:, None] == batch.text).float()
        _, loss = aligner(batch.codes, batch.new, batch.tokens, batch.mask, batch.sentence, same)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    after = retrieval(aligner, segments, LABELS).single_pose_to_text
    assert after.recall_1 > max(0.8, before.recall_1)


def test_pictures_are_drawn(segments: Segments, aligner: Aligner, tmp_path: Path) -> None:
    for draw in (similarity_picture, map_picture):
        path = tmp_path / f"{draw.__name__}.png"
        draw(aligner, segments, LABELS, path)
        with Image.open(path) as picture:
            assert min(picture.size) > 500
            assert len(np.unique(np.asarray(picture.convert("L")))) > 20
