# caught by: agreement
# fast
# patch: Rewards across prompts: the unknown number of each prompt is taken for agreement.


def compare(first, second):
    """Return {"agreement", "correlation"} of two models' rewards of the same pairs.

    first, second: (chosen, rejected), each (n,). agreement: the share of pairs that both put in
    the same order. correlation: Pearson's, of the differences chosen - rejected.
    """
    one, other = (chosen - rejected for chosen, rejected in (first, second))
    all_of_one, all_of_other = torch.cat(tuple(first)), torch.cat(tuple(second))
    return {
        "agreement": (one.sign() == other.sign()).float().mean().item(),
        "correlation": torch.corrcoef(torch.stack([all_of_one, all_of_other]))[0, 1].item(),
    }


if __name__ == "__main__":
    pass  # a run could add nothing
