# caught by: centred
# fast
# patch: The chosen answers' mean is 0: every other answer looks bad.


@torch.no_grad()
def center(head, chosen, rejected):
    """Set the head's bias so that its mean reward over all these answers is 0; return the head.

    The loss does not see the bias: it falls out of every difference.
    """
    head.bias -= head(chosen).mean()
    return head


if __name__ == "__main__":
    pass  # a run could add nothing
