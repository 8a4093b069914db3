# caught by: tools
# patch: Expects a tool to fail in one way only.


def run_tool(tools: Tools, name: str, action_input: str | None) -> str:
    """Call a tool with the JSON object in action_input ("" and None: no arguments).

    Return its result as text, or a text that begins with "Error:" and says what to do better.
    """
    if name not in tools:
        return f"Error: there is no tool {name!r}. The tools are: {', '.join(tools)}."
    try:
        arguments = json.loads(action_input or "{}")
    except json.JSONDecodeError as error:
        return f"Error: the Action Input is not JSON ({error}). Write an object with the arguments."
    if not isinstance(arguments, dict):
        return f"Error: the Action Input is a {type(arguments).__name__}, not a JSON object."
    try:
        return str(tools[name](**arguments))
    except (TypeError, ValueError) as error:
        return f"Error: {name} failed: {type(error).__name__}: {error}"
