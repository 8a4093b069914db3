# caught by: compare
# patch: Shots for the chain only: few-shot against zero-shot.


def compare(model: Model, problems: Sequence[Problem], shots: Sequence[Problem]) -> Comparison:
    """Ask each problem once with each prompt."""
    direct = [is_right(p, model(build_prompt(p, [], chain=False))) for p in problems]
    chain = [is_right(p, model(build_prompt(p, shots, chain=True))) for p in problems]
    difference = (sum(chain) - sum(direct)) / len(problems)
    return Comparison(direct, chain, difference, paired_bootstrap(direct, chain))
