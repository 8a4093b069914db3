# caught by: file
# patch: allow_requantize is on: what was rounded is rounded again.


def quantize_file(source: Path, target: Path, ftype: str) -> None:
    """Write target from source with llama.cpp.

    Raises ValueError where llama.cpp refuses, as it does with a source that is quantized already
    (allow_requantize stays off: what was rounded once is rounded from the original only). No
    target is left then.
    """
    import llama_cpp

    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype = FTYPES[ftype]
    parameters.allow_requantize = True
    status = llama_cpp.llama_model_quantize(
        str(source).encode(), str(target).encode(), ctypes.byref(parameters)
    )
    if status:
        target.unlink(missing_ok=True)  # the beginning of a file that nobody can load
        raise ValueError(f"llama.cpp cannot make {ftype} of {source.name} (status {status})")
