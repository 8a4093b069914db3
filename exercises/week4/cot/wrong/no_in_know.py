# caught by: yes_no
# patch: Finds yes and no inside other words.


YES_NO = re.compile(r"(yes|no)", re.IGNORECASE)
