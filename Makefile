.PHONY: start test

start:
	@python3 bootstrap.py start

test:
	@python3 bootstrap.py test
