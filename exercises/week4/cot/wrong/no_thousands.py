# caught by: numbers
# patch: Knows no commas: 1,234 is read as 1 or 234.


NUMBER = re.compile(r"(?<![\w.])[-−]?[$€£]?\d+(?:\.\d+)?")
