# caught by: prompt
# patch: The shots show their steps in both prompts: two things are compared at once.


def build_prompt(problem: Problem, shots: Sequence[Problem], chain: bool) -> str:
    """Return the shots and the open question, a blank line between two of them:

    Q: <question>
    A: <steps> The answer is <answer>.

    Without the chain, the shots have no steps. The last line is "A:", with the chain
    "A: Let's think step by step.".
    """
    blocks = []
    for shot in shots:
        steps = f"{shot.steps} "
        blocks.append(f"Q: {shot.question}\nA: {steps}The answer is {shot.answer}.")
    opening = "A: Let's think step by step." if chain else "A:"
    return "\n\n".join([*blocks, f"Q: {problem.question}\n{opening}"])
