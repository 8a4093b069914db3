# caught by: card
# fast
# patch: Before stands under after.


def evaluation_table(figures):
    rows = [
        f"| {name} | {figures['after'][name]:.3f} | {figures['before'][name]:.3f} |"
        for name in figures["after"]
    ]
    asked = f"{len(GOLD)} questions about our lessons, with the same search before and after."
    return "\n".join([asked, "", "| figure | before | after |", "|---|---|---|", *rows])
