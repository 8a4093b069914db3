"""Exercises: what they ask, the learner's workspace, the job runner and the grader."""
