# The library's own options in place of lists: tensors, truncation, overflowing tokens, char_to_token.
from itertools import pairwise

import torch
from transformers import AutoTokenizer

from exercises import lab


def load_tokenizer():
    return AutoTokenizer.from_pretrained(lab.encoder_folder())


def encode_batch(tok, sentences, limit):
    return tok(sentences, padding="longest", truncation=True, max_length=limit, return_tensors="pt")


def head_and_tail(tok, sentence, limit, head):
    whole = tok.encode(sentence, return_tensors="pt", verbose=False)[0]
    surplus = len(whole) - limit
    if surplus <= 0:
        return whole
    keep = torch.ones_like(whole, dtype=torch.bool)
    keep[1 + head : 1 + head + surplus] = False
    return whole[keep]


def windows(tok, sentence, limit, stride):
    return tok(
        sentence,
        truncation=True,
        max_length=limit,
        stride=stride,
        return_overflowing_tokens=True,
    ).input_ids


def span_to_tokens(tok, sentence, begin, stop):
    encoded = tok(sentence)
    hits = {encoded.char_to_token(place) for place in range(begin, stop)}
    return tuple(sorted(hits - {None}))


def align_labels(tok, words, labels):
    owners = [None, *tok(words, is_split_into_words=True).word_ids()]
    return torch.tensor(
        [
            labels[now] if now is not None and now != before else -100
            for before, now in pairwise(owners)
        ]
    )
