# caught by: chinese
# patch: Everything from the CJK blocks on is split, kana and hangul as well.


def is_cjk(character: str) -> bool:
    return ord(character) >= 0x3000
