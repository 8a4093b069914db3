# caught by: hard_term
# patch: The labels' term is softened too.


def distillation_loss(student_logits, teacher_logits, labels, temperature, alpha):
    """Return alpha x T^2 x KL(teacher || student) + (1 - alpha) x cross-entropy, a scalar.

    student_logits, teacher_logits: (batch, classes). KL: at temperature T, summed over the
    classes, mean over the batch. Cross-entropy: at temperature 1, mean over the rows whose label
    is known; 0 where none is. No gradient goes to the teacher.
    """
    teacher_log_p = F.log_softmax(teacher_logits.detach() / temperature, dim=-1)
    student_log_p = F.log_softmax(student_logits / temperature, dim=-1)
    soft = F.kl_div(student_log_p, teacher_log_p, log_target=True, reduction="batchmean")
    # A sum divided by hand: cross_entropy's own mean over no rows at all is NaN.
    known = (labels != IGNORED).sum().clamp(min=1)
    hard = (
        F.cross_entropy(student_logits / temperature, labels, ignore_index=IGNORED, reduction="sum")
        / known
    )
    # Gradients of the soft term shrink with 1/T^2; the factor keeps the two terms' balance.
    return alpha * temperature**2 * soft + (1 - alpha) * hard
