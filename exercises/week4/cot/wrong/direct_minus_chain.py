# caught by: compare
# patch: Subtracts the wrong way round.


def compare(model: Model, problems: Sequence[Problem], shots: Sequence[Problem]) -> Comparison:
    """Ask each problem once with each prompt."""
    direct = [is_right(p, model(build_prompt(p, shots, chain=False))) for p in problems]
    chain = [is_right(p, model(build_prompt(p, shots, chain=True))) for p in problems]
    difference = (sum(direct) - sum(chain)) / len(problems)
    return Comparison(direct, chain, difference, paired_bootstrap(direct, chain))
