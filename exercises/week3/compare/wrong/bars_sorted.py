# caught by: plot
# patch: The bars are in order of height, not of the rows.


def plot(rows, metric, path):
    """Draw one vertical bar of colour BAR for each row, in order, as PNG.

    The bars stand apart, begin at 0, and their heights are proportional to row[metric].
    """
    bar, gap, height, margin = 60, 60, 300, 40
    image = Image.new("RGB", (gap + len(rows) * (bar + gap), height + 2 * margin), "white")
    draw = ImageDraw.Draw(image)
    draw.text((gap, 10), metric, fill="black")
    highest = max(row[metric] for row in rows)
    base = margin + height
    for place, row in enumerate(sorted(rows, key=lambda row: row[metric])):
        left = gap + place * (bar + gap)
        top = base - round(height * row[metric] / highest)
        draw.rectangle((left, top, left + bar - 1, base - 1), fill=BAR)
        draw.text((left, top - 14), f"{row[metric]:.3g}", fill="black")
        draw.text((left - gap // 4, base + 8), row["strategy"], fill="black")
    draw.line((gap // 2, base, image.width - gap // 2, base), fill="black")
    image.save(path)
