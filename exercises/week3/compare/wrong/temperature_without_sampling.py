# caught by: strategies
# patch: temperature=0.7 without do_sample=True: greedy, and a warning.


STRATEGIES = {
    "greedy": {"do_sample": False, "num_beams": 1},
    "beam_4": {"do_sample": False, "num_beams": 4},
    "top_k_50": {**SAMPLED, "top_k": 50},
    "top_p_0.9": {**SAMPLED, "top_p": 0.9},
    "temperature_0.7": {"temperature": 0.7},
    "temperature_1.5": {**SAMPLED, "temperature": 1.5},
}
