# caught by: teacher
# patch: Dropout and batch norm still train while the teacher is asked.


@torch.no_grad()
def teacher_logits(teacher, images):
    """Return the teacher's logits (n, classes), without dropout and without a graph.

    Nothing of the teacher changes, running statistics included.
    """
    return teacher(images)
