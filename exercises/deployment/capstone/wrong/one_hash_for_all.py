# caught by: card
# fast
# patch: The hash of the F16 file stands beside each file.


def file_table(files):
    rows = [f"| {file.name} | {sha256(files[0].with_name('model-F16.gguf'))} |" for file in files]
    return "\n".join(["| file | sha256 |", "|---|---|", *rows])
