# caught by: loads
# patch: bfloat16 saves half the memory, and all but 8 bits of every weight.


def load_models():
    """Return (encoder, its tokenizer, causal LM, its tokenizer), ready for inference."""
    # from_pretrained leaves a model in eval mode: no dropout.
    folder, lm_folder = lab.encoder_folder(), lab.base_folder("float32")
    encoder = AutoModel.from_pretrained(folder)
    lm = AutoModelForCausalLM.from_pretrained(lm_folder, dtype=torch.bfloat16)
    encoder_tokenizer = AutoTokenizer.from_pretrained(folder)
    return encoder, encoder_tokenizer, lm, AutoTokenizer.from_pretrained(lm_folder)
