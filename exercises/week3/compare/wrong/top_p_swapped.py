# caught by: strategies
# patch: 0.9 given as the temperature of the top-p strategy.


STRATEGIES = {
    "greedy": {"do_sample": False, "num_beams": 1},
    "beam_4": {"do_sample": False, "num_beams": 4},
    "top_k_50": {**SAMPLED, "top_k": 50},
    "top_p_0.9": {**SAMPLED, "temperature": 0.9},
    "temperature_0.7": {**SAMPLED, "temperature": 0.7},
    "temperature_1.5": {**SAMPLED, "temperature": 1.5},
}
