# caught by: steps
# fast
# patch: zero_grad is forgotten: each step takes all gradients before it as well.


def train(model: nn.Module, batches: list, learning_rate: float) -> torch.optim.Optimizer:
    """Take one step of AdamW for each batch, on the trainable parameters. Return the optimizer.

    The last step's gradients stay on the parameters, to be measured.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=0.0)
    model.train()
    for step, batch in enumerate(batches, 1):
        loss = model(**batch).loss
        loss.backward()
        optimizer.step()
        lab.report(step, len(batches), loss.item())
    return optimizer


if __name__ == "__main__":
    pass  # a run could add nothing
