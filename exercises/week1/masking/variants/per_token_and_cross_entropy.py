# Another style: one token after the other with multinomial draws, lists, F.cross_entropy.
import torch
import torch.nn.functional as F


def collate(sequences, *, mask_id, pad_id, special_ids, vocab_size, generator, probability=0.15):
    fates = torch.tensor([0.8, 0.1, 0.1])
    seen, real, labels = [], [], []
    for sequence in sequences:
        inputs, targets = list(sequence), [-100] * len(sequence)
        lots = torch.rand(len(sequence), generator=generator, dtype=torch.float64).tolist()
        for i, token in enumerate(sequence):
            if token in special_ids or lots[i] >= probability:
                continue
            targets[i] = token
            fate = torch.multinomial(fates, 1, generator=generator).item()
            if fate == 0:
                inputs[i] = mask_id
            elif fate == 1:
                inputs[i] = torch.randint(0, vocab_size, (), generator=generator).item()
        seen.append(torch.tensor(inputs))
        real.append(torch.ones(len(inputs), dtype=torch.long))
        labels.append(torch.tensor(targets))

    def together(rows, value):
        return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=value)

    return {
        "labels": together(labels, -100),
        "input_ids": together(seen, pad_id),
        "attention_mask": together(real, 0).bool(),
    }


def masked_loss(logits, labels):
    return F.cross_entropy(logits.transpose(1, 2), labels)


def causal_loss(logits, labels):
    later = F.pad(labels, (0, 1), value=-100)[:, 1:]
    total = F.cross_entropy(logits.permute(0, 2, 1), later, reduction="sum")
    return total / later.ne(-100).sum()
