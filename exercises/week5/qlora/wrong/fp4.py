# caught by: nf4_double_quant
# fast
# patch: FP4, the default of bitsandbytes, instead of NF4.


def quantization_config():
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,  # dequantized to this for each product
    )


if __name__ == "__main__":
    pass  # a run could add nothing
