# caught by: sizing
# patch: GiB taken for 10**9 bytes.


GIB = 10**9
