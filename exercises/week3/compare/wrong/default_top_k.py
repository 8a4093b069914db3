# caught by: strategies
# patch: top_k is not named, and generate cuts at 50 by default.


SAMPLED = {"do_sample": True, "num_beams": 1, "temperature": 1.0}
