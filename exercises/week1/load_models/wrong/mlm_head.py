# caught by: loads
# patch: AutoModelForMaskedLM: its head is not in the file and starts random.

from transformers import AutoModelForMaskedLM


def load_models():
    """Return (encoder, its tokenizer, causal LM, its tokenizer), ready for inference."""
    # from_pretrained leaves a model in eval mode: no dropout.
    folder, lm_folder = lab.encoder_folder(), lab.base_folder("float32")
    encoder = AutoModelForMaskedLM.from_pretrained(folder)
    lm = AutoModelForCausalLM.from_pretrained(lm_folder)
    encoder_tokenizer = AutoTokenizer.from_pretrained(folder)
    return encoder, encoder_tokenizer, lm, AutoTokenizer.from_pretrained(lm_folder)
