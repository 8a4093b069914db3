# caught by: numbers
# patch: Reads 12-7=5 well, but 12-7 as 12 and -7, and misses the minus −.


NUMBER = re.compile(r"-?[$€£]?\d+(?:,\d{3})*(?:\.\d+)?")
