"""The workshop: the learner's fine-tuned model becomes the GGUF that the tutor answers with.

`journey.make` is the whole way: export → quantize → gates → use.
"""
