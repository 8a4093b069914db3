# caught by: decoding
# Two entities of one type side by side become one.
# %% [markdown]
# # Named-entity recognition with an encoder
#
# One tag for each word: B- opens an entity, I- continues it, O is outside. The encoder knows word
# pieces, not words; entities are scored whole.

# %%
import torch
from torch import nn
from transformers import AutoModelForTokenClassification, PreTrainedTokenizerBase

from exercises import lab
from exercises.foundations.entities import LABELS, Sentence

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
    encoding = tokenizer(words, is_split_into_words=True, truncation=True)
    labels, previous = [], None
    for word in encoding.word_ids():  # None for a special token
        first = word is not None and word != previous
        labels.append(LABELS.index(tags[word]) if first else IGNORED)
        previous = word
    return {
        "input_ids": encoding["input_ids"],
        "attention_mask": encoding["attention_mask"],
        "labels": labels,
    }


def collate(
    tokenizer: PreTrainedTokenizerBase, examples: list[dict[str, list[int]]]
) -> dict[str, torch.Tensor]:
    """Return a batch: tensors (n, longest), padded on the right. Padding is neither attended to
    nor learned."""
    filling = {"input_ids": tokenizer.pad_token_id, "attention_mask": 0, "labels": IGNORED}
    return {
        name: nn.utils.rnn.pad_sequence(
            [torch.tensor(example[name]) for example in examples],
            batch_first=True,
            padding_value=value,
        )
        for name, value in filling.items()
    }


# %% [markdown]
# ## From tags to entities
#
# A model may write I-PER where no person is open (after O, or after B-ORG). As the CoNLL scorer
# does, take it for the beginning of a new entity.


# %%
def spans(tags: list[str]) -> set[tuple[str, int, int]]:
    """Return the entities as (type, first word, word after the last)."""
    found, kind, start = set(), "", 0
    for place, tag in enumerate([*tags, "O"]):  # the O at the end closes what is open
        new = tag.partition("-")[2]
        if new and new == kind:
            continue
        if kind:
            found.add((kind, start, place))
        kind, start = new, place
    return found


def entity_f1(gold: list[list[str]], predicted: list[list[str]]) -> tuple[float, float, float]:
    """Return precision, recall and F1 over the entities of all sentences together (micro average).

    An entity is right if its sentence, its type and both ends are. A ratio of 0 / 0 is 0.
    """
    right = predictions = truths = 0
    for tags, guesses in zip(gold, predicted, strict=True):
        true, guessed = spans(tags), spans(guesses)
        right += len(true & guessed)
        predictions += len(guessed)
        truths += len(true)
    precision = right / predictions if predictions else 0.0
    recall = right / truths if truths else 0.0
    f1 = 2 * right / (predictions + truths) if predictions + truths else 0.0
    return precision, recall, f1


# %% [markdown]
# ## The model


# %%
def build_model() -> nn.Module:
    """Return the pre-trained encoder (`lab.encoder_folder()`) with a new head that gives each
    piece one logit for each of LABELS; its config knows the labels by name."""
    return AutoModelForTokenClassification.from_pretrained(
        lab.encoder_folder(),
        num_labels=len(LABELS),
        id2label=dict(enumerate(LABELS)),
        label2id={label: i for i, label in enumerate(LABELS)},
        dtype=torch.float32,
    )


def fit(
    model: nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    sentences: list[Sentence],
    seed: int = 0,
) -> None:
    """Fine-tune the whole model in place on (words, tags) pairs."""
    torch.manual_seed(seed)  # dropout
    examples = [align(tokenizer, words, tags) for words, tags in sentences]
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4)
    model.train()
    for _ in range(2):
        for chosen in torch.randperm(len(examples)).split(16):
            batch = collate(tokenizer, [examples[i] for i in chosen])
            loss = model(**batch).loss
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def predict(model: nn.Module, tokenizer: PreTrainedTokenizerBase, words: list[str]) -> list[str]:
    """Return one tag for each word: that of its first piece, in evaluation mode."""
    encoding = tokenizer(words, is_split_into_words=True, return_tensors="pt")
    model.eval()
    with torch.no_grad():
        best = model(**encoding).logits[0].argmax(dim=-1).tolist()
    pieces = encoding.word_ids()
    return [LABELS[best[pieces.index(word)]] for word in range(len(words))]


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
