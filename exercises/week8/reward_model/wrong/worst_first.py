# caught by: rerank
# fast
# patch: sorted() begins with the smallest: the worst of n.


@torch.no_grad()
def rerank(model, head, tokenizer, prompt, answers):
    """Return [(answer, reward), …] of the answers to one prompt, the best first."""
    rows = [{"prompt": prompt, "answer": answer} for answer in answers]
    rewards = head(answer_states(model, tokenizer, rows, "answer")).squeeze(-1).tolist()
    return sorted(zip(answers, rewards, strict=True), key=lambda pair: pair[1])


if __name__ == "__main__":
    pass  # a run could add nothing
