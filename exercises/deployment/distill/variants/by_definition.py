# Another style: probabilities and sums by hand in float64, rows chosen by masks, AdamW, two passes.

# %%
import torch
from torch import nn

IGNORED = -100
BATCH = 32


# %%
def teacher_logits(teacher: nn.Module, images: torch.Tensor) -> torch.Tensor:
    was_training = teacher.training
    with torch.inference_mode():
        found = teacher.eval()(images)
    teacher.train(was_training)
    return found.clone()


# %%
def distillation_loss(student_logits, teacher_logits, labels, temperature, alpha):
    with torch.no_grad():
        p = torch.softmax(teacher_logits.double() / temperature, dim=1)
    q = torch.softmax(student_logits.double() / temperature, dim=1)
    soft = (p * (p / q).log()).sum(dim=1).mean()
    mask = labels != IGNORED
    hard = student_logits.new_zeros(())
    if mask.any():
        rows = student_logits[mask]
        own = rows.gather(1, labels[mask].unsqueeze(1)).squeeze(1)
        hard = (rows.logsumexp(dim=1) - own).mean()
    return soft * alpha * temperature * temperature + hard * (1 - alpha)


# %%
def train_student(student, images, labels, soft_targets, alpha, temperature=4.0, steps=300, seed=0):
    generator = torch.Generator().manual_seed(seed)
    known = torch.nonzero(labels != IGNORED).flatten().repeat(steps)
    optimizer = torch.optim.AdamW(student.parameters(), lr=3e-3, weight_decay=0.0)
    # All batches are drawn before the first step.
    draws = [
        (
            torch.randperm(len(known), generator=generator)[:BATCH],
            torch.randperm(len(images), generator=generator)[:BATCH],
        )
        for _ in range(steps)
    ]
    for with_label, other in draws:
        rows = torch.cat([known[with_label], other])
        student.train()
        # In two passes: the student has no batch norm.
        logits = torch.cat([student(images[rows[:BATCH]]), student(images[rows[BATCH:]])])
        optimizer.zero_grad()
        distillation_loss(logits, soft_targets[rows], labels[rows], temperature, alpha).backward()
        optimizer.step()
    return student.eval()
