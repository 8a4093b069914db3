# caught by: schedule
# fast
# patch: The cosine counts the warm-up's steps too: a jump where it ends.


def learning_rate(step, steps, warmup, peak):
    """Return the rate of a step (0, 1, …, steps - 1): linear from 0 to peak over the warm-up,
    then half a cosine down to 0 at `steps`."""
    if step < warmup:
        return peak * step / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * step / steps))


if __name__ == "__main__":
    pass  # a run could add nothing
