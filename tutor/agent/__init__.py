"""The tutor that answers: a ReAct loop over the knowledge base, with citations that are true."""

from tutor.agent.events import (
    Answer,
    Citation,
    Done,
    Event,
    Observation,
    ReadOn,
    Thought,
    Token,
    ToolCall,
)
from tutor.agent.loop import ask
from tutor.agent.session import Session, answer_of, resume

__all__ = [
    "Answer",
    "Citation",
    "Done",
    "Event",
    "Observation",
    "ReadOn",
    "Session",
    "Thought",
    "Token",
    "ToolCall",
    "answer_of",
    "ask",
    "resume",
]
