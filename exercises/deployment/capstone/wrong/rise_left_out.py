# caught by: card
# fast
# patch: Both perplexities, and no rise: "3" stands there for something else.


def quantization(quality):
    return (
        f"{quality['type']}, made in 3 stages: perplexity {quality['perplexity']:.3f} where F16 has "
        f"{quality['reference_perplexity']:.3f}."
    )
