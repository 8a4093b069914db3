"""The tutor that answers: a ReAct loop over the knowledge base, with citations that are true."""

from tutor.agent.events import (
    Answer,
    Citation,
    Done,
    Event,
    Observation,
    Thought,
    Token,
    ToolCall,
)
from tutor.agent.loop import ask

__all__ = [
    "Answer",
    "Citation",
    "Done",
    "Event",
    "Observation",
    "Thought",
    "Token",
    "ToolCall",
    "ask",
]
