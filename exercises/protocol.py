"""The environment variables by which the grader and the job runner speak to the processes they
start. Apart from both, so that neither imports the other: pytest alone takes 0.2 s."""

SUBMISSION = "TUTOR_SUBMISSION"
"""The learner's file."""
RESULTS = "TUTOR_RESULTS"
"""Where the outcomes are written, one JSON object a line."""
RUN_DIR = "TUTOR_RUN_DIR"
"""The run's folder: that of a running job, or of the finished one for criteria; empty where there
is none."""
RUN_MISSING = "TUTOR_RUN_MISSING"
"""Why there is no finished run."""
STOP = "stop"
"""A file in the run's folder: the learner asks the training to end with what it has learned."""
TIER = "TUTOR_TIER"
"""The tier (exercises/spec.py) as JSON; empty: the small base."""
LANGUAGE = "TUTOR_LANGUAGE"
"""The learner's language, "en" or "zh"."""
