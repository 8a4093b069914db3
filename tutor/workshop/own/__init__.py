"""`tutor model build-own`: the tutor fine-tunes its own model, on what it teaches from.

`build.build` is the whole way: data → SFT → DPO → export → quantize → gates.
"""
