# caught by: file
# patch: llama.cpp's status is not looked at.


def quantize_file(source: Path, target: Path, ftype: str) -> None:
    """Write target from source with llama.cpp.

    Raises ValueError where llama.cpp refuses, as it does with a source that is quantized already
    (allow_requantize stays off: what was rounded once is rounded from the original only). No
    target is left then.
    """
    import llama_cpp

    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype = FTYPES[ftype]
    llama_cpp.llama_model_quantize(
        str(source).encode(), str(target).encode(), ctypes.byref(parameters)
    )
