# Another style: the Trainer with its collator, offsets instead of word numbers, a state machine.
import tempfile

import torch
from transformers import (
    AutoConfig,
    AutoModelForTokenClassification,
    DataCollatorForTokenClassification,
    Trainer,
    TrainingArguments,
)

from exercises import lab
from exercises.foundations import entities

ID = {label: number for number, label in enumerate(entities.LABELS)}


def starts(tokenizer, words):
    """Encode, and say where each word's first piece stands: its offset in the word is 0."""
    encoding = tokenizer(words, is_split_into_words=True, return_offsets_mapping=True)
    offsets = encoding.pop("offset_mapping")
    return encoding, [i for i, (begin, end) in enumerate(offsets) if begin == 0 and end > 0]


def align(tokenizer, words, tags):
    encoding, places = starts(tokenizer, words)
    labels = [-100] * len(encoding["input_ids"])
    for place, tag in zip(places, tags, strict=True):
        labels[place] = ID[tag]
    return {**encoding, "labels": labels}


def collate(tokenizer, examples):
    return DataCollatorForTokenClassification(tokenizer)(examples)


def spans(tags):
    found, open_span = set(), None
    for i in range(len(tags)):
        if tags[i] == "O":
            open_span = None
            continue
        mark, kind = tags[i].split("-")
        if mark == "B" or open_span is None or open_span[0] != kind:
            open_span = (kind, i, i + 1)
        else:
            found.remove(open_span)
            open_span = (kind, open_span[1], i + 1)
        found.add(open_span)
    return found


def entity_f1(gold, predicted):
    def numbered(sentences):
        return {(n, span) for n, tags in enumerate(sentences) for span in spans(tags)}

    truth, guess = numbered(gold), numbered(predicted)
    hits = len(truth & guess)
    p, r = hits / max(len(guess), 1), hits / max(len(truth), 1)
    return [p, r, 2 * p * r / (p + r) if hits else 0.0]


def build_model():
    config = AutoConfig.from_pretrained(lab.encoder_folder(), label2id=ID,
                                        id2label={n: name for name, n in ID.items()})  # fmt: skip
    return AutoModelForTokenClassification.from_pretrained(lab.encoder_folder(), config=config)


def fit(model, tokenizer, sentences, seed=0):
    arguments = TrainingArguments(
        tempfile.mkdtemp(), num_train_epochs=2, per_device_train_batch_size=16, seed=seed,
        learning_rate=4e-4, save_strategy="no", report_to="none", disable_tqdm=True, use_cpu=True,
    )  # fmt: skip
    Trainer(
        model,
        arguments,
        train_dataset=[align(tokenizer, *sentence) for sentence in sentences],
        data_collator=DataCollatorForTokenClassification(tokenizer),
    ).train()


@torch.inference_mode()
def predict(model, tokenizer, words):
    encoding, places = starts(tokenizer, words)
    inputs = {name: torch.tensor([values]) for name, values in encoding.items()}
    best = model.eval()(**inputs).logits.squeeze(0).argmax(1)
    return [model.config.id2label[number] for number in best[places].tolist()]
