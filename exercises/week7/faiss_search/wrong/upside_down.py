# caught by: plot
# patch: Image rows count downwards: the best recall ends at the bottom.


def plot(rows, path):
    """Draw a filled dot of COLOURS[row["index"]] for each row, as PNG.

    x is linear in log(compared), growing to the right; y is linear in recall, growing upwards;
    both scales are the same for all dots. Nothing else bears these colours.
    """
    width, height, margin = 700, 460, 60
    image = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(image)
    xs = np.log10([row["compared"] for row in rows])
    ys = [row["recall"] for row in rows]
    x_span, y_span = max(np.ptp(xs), 1e-9), max(np.ptp(ys), 1e-9)
    places = [
        (
            margin + (x - min(xs)) / x_span * (width - 2 * margin),
            margin + (y - min(ys)) / y_span * (height - 2 * margin),
        )
        for x, y in zip(xs, ys, strict=True)
    ]
    draw.line((margin, height - 25, width - margin, height - 25), fill="black")
    draw.text((margin, height - 20), "vectors compared (log)", fill="black")
    draw.text((margin, 10), "recall: blue IVF, orange HNSW", fill="black")
    for row, (x, y) in zip(rows, places, strict=True):
        draw.ellipse((x - 5, y - 5, x + 5, y + 5), fill=COLOURS[row["index"]])
        draw.text((x + 8, y + 4), f"{row['setting']}: {row['recall']:.2f}", fill="black")
    image.save(path, format="PNG")
