# caught by: nf4_double_quant
# fast
# patch: Eight bits: smaller, but not QLoRA.


def quantization_config():
    return BitsAndBytesConfig(
        load_in_8bit=True,
    )


if __name__ == "__main__":
    pass  # a run could add nothing
