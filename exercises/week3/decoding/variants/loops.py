# Another style: row by row in plain Python, Gumbel noise for sampling, beams as sorted tuples.
import math

import torch

NEVER = float("-inf")


def apply_temperature(logits, temperature):
    if not temperature > 0:
        raise ValueError("the temperature must be positive")
    return torch.mul(logits, 1.0 / temperature)


def top_k(logits, k):
    rows = []
    for row in logits.tolist():
        worst = sorted(row, reverse=True)[: max(k, 1)][-1]
        rows.append([x if x >= worst else NEVER for x in row])
    return torch.tensor(rows, dtype=logits.dtype)


def top_p(logits, p):
    if p == 1.0:
        return logits.clone()
    output = torch.full_like(logits, NEVER)
    for r, row in enumerate(logits.double().softmax(-1).tolist()):
        mass = 0.0
        for token in sorted(range(len(row)), key=lambda t: -row[t]):
            output[r, token] = logits[r, token]
            mass += row[token]
            if mass >= p:
                break
    return output


def repetition_penalty(logits, ids, penalty):
    output = logits.clone()
    for r, row in enumerate(ids.tolist()):
        for token in set(row):
            z = logits[r, token]
            output[r, token] = z / penalty if z > 0 else z * penalty
    return output


def process(logits, ids, temperature=1.0, k=0, p=1.0, penalty=1.0):
    scores = apply_temperature(repetition_penalty(logits, ids, penalty), temperature)
    scores = top_k(scores, k or scores.size(1))
    return top_p(scores, p)


def greedy(logits):
    return torch.max(logits, dim=1).indices


def sample(logits, generator):
    uniform = torch.rand(logits.shape, generator=generator, dtype=torch.float64)
    return greedy(logits.double() - (-uniform.log()).log())


def generate(next_logits, ids, max_new_tokens, choose, eos_id=None):
    done = [False] * ids.shape[0]
    while max_new_tokens > 0 and not all(done):
        column = choose(next_logits(ids), ids).tolist()
        column = [eos_id if over else token for over, token in zip(done, column, strict=True)]
        done = [over or token == eos_id for over, token in zip(done, column, strict=True)]
        ids = torch.hstack([ids, torch.tensor(column).unsqueeze(1)])
        max_new_tokens -= 1
    return ids


def beam_search(next_logits, ids, num_beams, max_new_tokens, eos_id=None, length_penalty=1.0):
    live, finished = [(0.0, ids[0].tolist())], []
    for step in range(max_new_tokens):
        grown = []
        for total, tokens in live:
            log_p = torch.log_softmax(next_logits(torch.tensor([tokens])).double(), -1)[0].tolist()
            grown += [(total + x, [*tokens, t]) for t, x in enumerate(log_p)]
        grown.sort(key=lambda pair: pair[0], reverse=True)
        live = []
        for place, (total, tokens) in enumerate(grown[: 2 * num_beams]):
            if tokens[-1] == eos_id or step == max_new_tokens - 1:
                if place < num_beams:
                    finished.append((total / math.pow(step + 1, length_penalty), tokens))
            elif len(live) < num_beams:
                live.append((total, tokens))
    score, tokens = max(finished)
    return tokens, score
