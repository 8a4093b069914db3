# %% [markdown]
# # Distillation
#
# Hinton, Vinyals and Dean 2015, "Distilling the Knowledge in a Neural Network" (arXiv 1503.02531):
# a small student learns from the whole distribution of a teacher, softened by a temperature.
#
# Fill each gap (`raise NotImplementedError`), keep the names and the signatures.
# Check with `tutor check deployment/distill`.

# %%
import torch
from sklearn.datasets import load_digits
from torch import nn

IGNORED = -100  # the label of an image whose label is not known
BATCH = 32

# %% [markdown]
# ## Given: data, teacher, student
#
# 1,200 images of 8 x 8 pixels to train on. The teacher once saw all their labels; of these, only
# the first 50 are left for the student.


# %%
def load_data(known=50, seed=0):
    """Return (images, labels, student_labels, held_out_images, held_out_labels).

    images: (1200, 64), 0 to 1. student_labels: labels, IGNORED after the first `known`.
    """
    digits = load_digits()
    order = torch.randperm(len(digits.data), generator=torch.Generator().manual_seed(seed))
    images = torch.tensor(digits.data / 16, dtype=torch.float32)[order]
    labels = torch.tensor(digits.target)[order]
    student_labels = labels[:1200].clone()
    student_labels[known:] = IGNORED
    return images[:1200], labels[:1200], student_labels, images[1200:], labels[1200:]


def build_teacher(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Linear(64, 128), nn.BatchNorm1d(128), nn.ReLU(), nn.Dropout(0.3), nn.Linear(128, 10)
    )


def build_student(seed=0):
    """A student of 2,410 parameters; the teacher has 9,866."""
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))


@torch.no_grad()
def accuracy(model, images, labels):
    return (model.eval()(images).argmax(dim=-1) == labels).float().mean().item()


# %% [markdown]
# ## The teacher's logits


# %%
def teacher_logits(teacher, images):
    """Return the teacher's logits (n, classes), without dropout and without a graph.

    Nothing of the teacher changes, running statistics included.
    """
    raise NotImplementedError("teacher_logits: evaluation mode, no gradients")


# %% [markdown]
# ## The loss


# %%
def distillation_loss(student_logits, teacher_logits, labels, temperature, alpha):
    """Return alpha x T^2 x KL(teacher || student) + (1 - alpha) x cross-entropy, a scalar.

    student_logits, teacher_logits: (batch, classes). KL: at temperature T, summed over the
    classes, mean over the batch. Cross-entropy: at temperature 1, mean over the rows whose label
    is known; 0 where none is. No gradient goes to the teacher.
    """
    raise NotImplementedError("distillation_loss: the soft term times T^2, and the hard term")


# %% [markdown]
# ## Training
#
# Each step: BATCH images whose label is known, and BATCH of all images, in one batch of 64. With
# alpha = 0 only the labels count: the baseline is the same function on the same batches.


# %%
def train_student(student, images, labels, soft_targets, alpha, temperature=4.0, steps=300, seed=0):
    """Train the student in place, and return it.

    labels: (n,), IGNORED where unknown. soft_targets: (n, classes), the teacher's logits. The
    batches depend on `seed` and nothing else.
    """
    raise NotImplementedError("train_student: batches by the seed, loss, optimizer steps")


# %% [markdown]
# ## Try it

# %%
if __name__ == "__main__":
    images, labels, student_labels, held_out, held_out_labels = load_data()
    zeros = torch.zeros(len(images), 10)
    teacher = train_student(build_teacher(), images, labels, zeros, alpha=0.0)
    print(f"teacher, 1,200 labels: {accuracy(teacher, held_out, held_out_labels):.3f}")
    targets = teacher_logits(teacher, images)
    for alpha in (0.0, 0.5, 0.9, 1.0):
        for temperature in (1.0, 4.0, 20.0):
            student = train_student(
                build_student(), images, student_labels, targets, alpha, temperature
            )
            right = accuracy(student, held_out, held_out_labels)
            print(f"student, 50 labels, alpha {alpha}, T {temperature:>4}: {right:.3f}")
