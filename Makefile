.PHONY: start test dev-check

start:
	@python3 bootstrap.py start

test:
	@python3 bootstrap.py test

# Every exercise with its trainings, and each solution graded three times: for the same reports.
dev-check:
	@python3 bootstrap.py dev-check
