# caught by: quantized
# fast
# patch: F16 is compared with itself: nothing ever rises.


def quantize(source, target, text):
    """Write target from source (F16) as TYPE; return {"type", "perplexity",
    "reference_perplexity", "rise"}: of both files on the text, and the rise as a share.

    In whole chunks of 512 tokens, each with an empty cache; the second half of each is counted.
    """
    from tutor.workshop import native
    from tutor.workshop.quantize import TYPES
    from tutor.workshop.report import Quality

    native.call(native.Quantize(str(source), str(target), TYPES[TYPE]), float)
    both = native.Loaded(str(source)), native.Loaded(str(source))
    found = native.call(native.Compare(*both, text, chunks=100), Quality)
    return {
        "type": TYPE,
        "perplexity": found.perplexity,
        "reference_perplexity": found.reference_perplexity,
        "rise": found.rise,
    }
