"""The knowledge base: what the tutor's answers may be made of."""

from kb.model import Passage, Stats
from kb.search import KnowledgeBase, open_kb

__all__ = ["KnowledgeBase", "Passage", "Stats", "open_kb"]
