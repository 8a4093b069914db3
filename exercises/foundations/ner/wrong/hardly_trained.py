# caught by: held_out_f1
# patch: A learning rate for a thousand times more data.


def fit(
    model: nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    sentences: list[Sentence],
    seed: int = 0,
) -> None:
    """Fine-tune the whole model in place on (words, tags) pairs."""
    torch.manual_seed(seed)  # dropout
    examples = [align(tokenizer, words, tags) for words, tags in sentences]
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-7)
    model.train()
    for _ in range(2):
        for chosen in torch.randperm(len(examples)).split(16):
            batch = collate(tokenizer, [examples[i] for i in chosen])
            loss = model(**batch).loss
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
