# caught by: injection
# patch: Appends the observation as it came: its lines look like the model's.


def react(question: str, model: Model, tools: Tools, max_steps: int = 6) -> Result:
    """Run the loop with at most max_steps calls of the model.

    A turn with neither action nor answer gets one repair message; a second one in a row ends the
    loop. Only what the model wrote in its newest turn can become an action.
    """
    transcript = build_prompt(question, tools)
    steps: list[Step] = []
    malformed = 0  # in a row
    while len(steps) < max_steps:
        text = own_words(model(transcript, STOP))
        turn = parse(text)
        transcript += text + "\n"
        if turn.answer is not None:
            return Result(turn.answer, "answer", [*steps, Step(turn)], transcript)
        if turn.action is None:
            malformed += 1
            if malformed == 2:
                return Result(None, "format", [*steps, Step(turn)], transcript)
            observation = REPAIR
        else:
            malformed = 0
            observation = run_tool(tools, turn.action, turn.action_input)
        steps.append(Step(turn, observation))
        transcript += f"Observation: {observation}\n"
    return Result(None, "limit", steps, transcript)
