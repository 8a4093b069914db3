# caught by: nf4_double_quant
# fast
# patch: Without double quantization: 4.5 bits a weight.


def quantization_config():
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_compute_dtype=torch.bfloat16,  # dequantized to this for each product
    )


if __name__ == "__main__":
    pass  # a run could add nothing
