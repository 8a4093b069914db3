# %% [markdown]
# # Named-entity recognition with an encoder
#
# One tag for each word: B- opens an entity, I- continues it, O is outside. The encoder knows word
# pieces, not words; entities are scored whole.
#
# Fill each gap (`raise NotImplementedError`), keep the names and the signatures.
# Check with `tutor check foundations/ner`.

# %%
import torch
from torch import nn
from transformers import PreTrainedTokenizerBase

from exercises import lab
from exercises.foundations.entities import Sentence

IGNORED = -100  # cross_entropy leaves such labels out

# %% [markdown]
# ## From words to pieces


# %%
def align(
    tokenizer: PreTrainedTokenizerBase, words: list[str], tags: list[str]
) -> dict[str, list[int]]:
    """Return input_ids, attention_mask and labels of one sentence, [CLS] and [SEP] included.

    The first piece of a word has the word's label (its tag's place in LABELS); all other pieces
    and the special tokens have IGNORED.
    """
    raise NotImplementedError("align: which piece belongs to which word?")


def collate(
    tokenizer: PreTrainedTokenizerBase, examples: list[dict[str, list[int]]]
) -> dict[str, torch.Tensor]:
    """Return a batch: tensors (n, longest), padded on the right. Padding is neither attended to
    nor learned."""
    raise NotImplementedError("collate: three tensors, each with a padding value of its own")


# %% [markdown]
# ## From tags to entities
#
# A model may write I-PER where no person is open (after O, or after B-ORG). As the CoNLL scorer
# does, take it for the beginning of a new entity.


# %%
def spans(tags: list[str]) -> set[tuple[str, int, int]]:
    """Return the entities as (type, first word, word after the last)."""
    raise NotImplementedError("spans: where does an entity begin, where does it end?")


def entity_f1(gold: list[list[str]], predicted: list[list[str]]) -> tuple[float, float, float]:
    """Return precision, recall and F1 over the entities of all sentences together (micro average).

    An entity is right if its sentence, its type and both ends are. A ratio of 0 / 0 is 0.
    """
    raise NotImplementedError("entity_f1: count right, predicted and true entities")


# %% [markdown]
# ## The model


# %%
def build_model() -> nn.Module:
    """Return the pre-trained encoder (`lab.encoder_folder()`) with a new head that gives each
    piece one logit for each of LABELS; its config knows the labels by name."""
    raise NotImplementedError("build_model: AutoModelForTokenClassification, and the labels")


def fit(
    model: nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    sentences: list[Sentence],
    seed: int = 0,
) -> None:
    """Fine-tune the whole model in place on (words, tags) pairs."""
    raise NotImplementedError("fit: the loop of foundations/mlp; the model computes the loss")


def predict(model: nn.Module, tokenizer: PreTrainedTokenizerBase, words: list[str]) -> list[str]:
    """Return one tag for each word: that of its first piece, in evaluation mode."""
    raise NotImplementedError("predict: logits of pieces to tags of words")


# %% [markdown]
# ## Try it

# %%
if __name__ == "__main__":
    from exercises.foundations import entities

    _, pieces_of = lab.load_encoder()
    tagger = build_model()
    fit(tagger, pieces_of, entities.sentences("train", 400))
    held_out = entities.sentences("held_out", 100)
    guesses = [predict(tagger, pieces_of, words) for words, _ in held_out]
    figures = entity_f1([tags for _, tags in held_out], guesses)
    print("held out: precision {:.3f}, recall {:.3f}, F1 {:.3f}".format(*figures))
    sentence = ["Ada", "Lovelace", "met", "Charles", "Babbage", "in", "London", "."]
    print(list(zip(sentence, predict(tagger, pieces_of, sentence), strict=True)))
