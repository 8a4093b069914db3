# Another style: ids instead of bytes while training, pair counts kept up to date instead of
# counted anew, encoding by replaying every merge in order over the whole word.
import collections
import itertools

import regex

WORD = regex.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")
VISIBLE = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
BYTES = VISIBLE + sorted(set(range(256)) - set(VISIBLE))
ID_OF_BYTE = {value: place for place, value in enumerate(BYTES)}


def split(text):
    return [found.group() for found in WORD.finditer(text)]


def joined(numbers, left, right, new):
    """A tuple of ids with the pair replaced, built with a stack."""
    stack, fresh = [], False
    for number in numbers:
        if stack and not fresh and stack[-1] == left and number == right:
            stack[-1] = new
            fresh = True
        else:
            stack.append(number)
            fresh = False
    return tuple(stack)


class Trainer:
    def __init__(self, texts):
        self.tokens = [bytes((value,)) for value in BYTES]
        self.words = collections.defaultdict(int)
        for text in texts:
            for word in split(text):
                self.words[tuple(ID_OF_BYTE[value] for value in word.encode())] += 1
        self.pairs = collections.Counter()
        self.places = collections.defaultdict(set)
        for word in self.words:
            self.note(word, +1)

    def note(self, word, sign):
        for pair in itertools.pairwise(word):
            self.pairs[pair] += sign * self.words[word]
            if sign > 0:
                self.places[pair].add(word)

    def step(self):
        alive = [(-count, pair) for pair, count in self.pairs.items() if count > 0]
        if not alive:
            return None
        left, right = min(alive)[1]
        self.tokens.append(self.tokens[left] + self.tokens[right])
        for word in self.places.pop((left, right)):
            if word not in self.words:
                continue
            self.note(word, -1)
            shorter = joined(word, left, right, len(self.tokens) - 1)
            self.words[shorter] = self.words.pop(word)
            self.note(shorter, +1)
        return [self.tokens[left], self.tokens[right]]


def train(texts, merges):
    trainer = Trainer(texts)
    learned = []
    for _ in range(merges):
        pair = trainer.step()
        if pair is None:
            break
        learned.append(tuple(pair))
    return tuple(learned)


def vocabulary(merges):
    table = {bytes((value,)): place for value, place in ((v, ID_OF_BYTE[v]) for v in BYTES)}
    for place, pair in enumerate(merges):
        table[b"".join(pair)] = 256 + place
    return table


def encode(text, merges):
    table = vocabulary(merges)
    result = []
    for word in split(text):
        numbers = tuple(ID_OF_BYTE[value] for value in word.encode("utf8"))
        for place, (left, right) in enumerate(merges):
            if len(numbers) == 1:
                break
            numbers = joined(numbers, table[left], table[right], 256 + place)
        result.extend(numbers)
    return tuple(result)


def decode(ids, merges):
    tokens = [*(bytes((value,)) for value in BYTES), *map(b"".join, merges)]
    data = bytearray()
    for number in ids:
        data += tokens[number]
    return str(data, "utf-8", "replace")
