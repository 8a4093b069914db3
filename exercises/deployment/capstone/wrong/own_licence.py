# caught by: card
# fast
# patch: The base's licence is replaced by one of the author's liking.


def front_matter(base):
    return f"""---
license: mit
base_model: {base.page.removeprefix("https://huggingface.co/")}
---
# {NAME}

{base.title}, fine-tuned to answer from numbered passages and to name their numbers."""
