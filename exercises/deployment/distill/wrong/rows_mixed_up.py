# caught by: gain
# patch: The teacher's rows are not picked with the batch's indices.


def train_student(student, images, labels, soft_targets, alpha, temperature=4.0, steps=300, seed=0):
    """Train the student in place, and return it.

    labels: (n,), IGNORED where unknown. soft_targets: (n, classes), the teacher's logits. The
    batches depend on `seed` and nothing else.
    """
    generator = torch.Generator().manual_seed(seed)
    known = (labels != IGNORED).nonzero().squeeze(1)
    optimizer = torch.optim.Adam(student.parameters(), lr=3e-3)
    student.train()
    for _ in range(steps):
        labelled = known[torch.randint(len(known), (BATCH,), generator=generator)]
        anything = torch.randint(len(images), (BATCH,), generator=generator)
        rows = torch.cat([labelled, anything])
        logits = student(images[rows])
        loss = distillation_loss(
            logits, soft_targets[: len(rows)], labels[rows], temperature, alpha
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return student
