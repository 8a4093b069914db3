"""A study companion for eight weeks of large language models."""

__version__ = "0.1.0"
