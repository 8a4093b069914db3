# caught by: parse
# patch: Finds labels in the middle of a line too.


LABEL = re.compile(r"(Thought|Action Input|Action|Observation|Final Answer):", re.MULTILINE)
