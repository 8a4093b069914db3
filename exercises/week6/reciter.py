"""A Llama of one layer whose weights recite a text: what week 6's criteria put behind an app.

It is a true LlamaForCausalLM, so that generate, a cache, hooks and a loop written by hand work as
they do with any other; only it answers within milliseconds, and is known to the last token.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

HIDDEN = 64
SCALE = 12.0
"""Logit of the right next token; all others are at or near 0. At temperature 1.5 it is taken with
probability 0.06 of 49,152 tokens, at 0.3 always."""


@dataclass
class Heard:
    """What the model was given: one list of token ids for each call of forward."""

    calls: list[list[int]] = field(default_factory=list)
    pause_s: float = 0
    """How long each call takes, for criteria that interrupt."""

    def prompt(self) -> list[int]:
        """The tokens of the first call since `clear`."""
        return self.calls[0] if self.calls else []

    def clear(self) -> None:
        self.calls = []


def reciter(
    tokenizer: PreTrainedTokenizerBase, text: str, *, endless: bool = False, context: int = 8192
) -> tuple[PreTrainedModel, Heard]:
    """Return the model and what it hears.

    After a prompt that ends as the chat template's generation prompt does, its most probable
    continuation is the text, then the end token, or the text anew where it is endless.
    Raises ValueError where a token is in the text twice: the model knows the last token only.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    ask: Any = tokenizer.apply_chat_template(
        [{"role": "user", "content": "?"}], add_generation_prompt=True, return_dict=True
    )
    start, end = ask["input_ids"][-1], tokenizer.eos_token_id
    if len({start, end, *ids}) < len(ids) + 2:
        raise ValueError(f"a token is in {text!r} twice")
    torch.manual_seed(0)
    model = LlamaForCausalLM(_config(LlamaConfig, len(tokenizer), context, end)).eval()
    vectors = torch.nn.functional.normalize(torch.randn(len(tokenizer), HIDDEN), dim=1)
    after = dict(zip([start, *ids], [*ids, ids[0] if endless else end], strict=True))
    with torch.no_grad():
        model.model.embed_tokens.weight.copy_(vectors)
        layer = model.model.layers[0]
        layer.self_attn.o_proj.weight.zero_()  # the layer adds nothing: the last token decides
        layer.mlp.down_proj.weight.zero_()
        model.lm_head.weight.zero_()
        for last, following in after.items():
            model.lm_head.weight[following] += SCALE / HIDDEN**0.5 * vectors[last]
    return model, _listen(model)


def _config(kind: Any, vocabulary: int, context: int, end: int) -> Any:
    return kind(
        vocab_size=vocabulary, hidden_size=HIDDEN, intermediate_size=HIDDEN, num_hidden_layers=1,
        num_attention_heads=1, max_position_embeddings=context, tie_word_embeddings=False,
        bos_token_id=None, eos_token_id=end, pad_token_id=end,
    )  # fmt: skip


def _listen(model: Any) -> Heard:
    heard = Heard()

    def note(module: Any, args: tuple[Any, ...], named: dict[str, Any]) -> None:
        ids: Any = named.get("input_ids", args[0] if args else None)
        heard.calls.append(ids[0].tolist())
        time.sleep(heard.pause_s)

    model.register_forward_pre_hook(note, with_kwargs=True)
    return heard
