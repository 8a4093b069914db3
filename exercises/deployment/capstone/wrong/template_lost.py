# caught by: exported
# fast
# patch: The chat template is not copied: clients fall back to another format.


def export(base, adapter, target):
    """Write the base (a GGUF file) with the adapter (peft's folder) merged in as an F16 GGUF:
    W + alpha / r x B A in float32, from the dequantized weights; tokenizer and template as they
    are in the base."""
    from gguf import GGUFValueType

    from tutor.workshop import adapter as adapters
    from tutor.workshop import gguf_file
    from tutor.workshop.base import merge, open_base

    merged = merge(open_base(base), adapters.load(adapter))
    own = [
        gguf_file.Field("general.name", NAME, GGUFValueType.STRING),
        gguf_file.Field("general.file_type", 1, GGUFValueType.UINT32),  # mostly F16
    ]
    kept = [
        field
        for field in merged.fields
        if field.key not in {*(f.key for f in own), "tokenizer.chat_template"}
    ]
    gguf_file.write(target, merged.arch, [*kept, *own], list(merged.tensors.values()))
