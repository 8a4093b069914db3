# caught by: held_out
# fast
# patch: 30 steps: the loss has only begun to fall.


STEPS = 30


WARMUP = 3
