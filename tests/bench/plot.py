"""Growth, log-log, in text and as SVG: each curve begins at 1 x 1, beside a line of slope 1.

A curve is its points (size, cost), as multiples of the first one. What is worse than linear ends
above the line.
"""

import math
from xml.sax.saxutils import escape

COLUMNS, ROWS = 16, 5  # of text, a decade
PIXELS = 150  # a decade
MARGIN = 60
COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7"]  # told apart by everybody
LINEAR = "slope 1: linear"


def multiples(points):
    """log10 of size and cost over those of the first; a cost of nothing is left out."""
    points = [(size, cost) for size, cost in points if cost > 0]
    return [(math.log10(size / points[0][0]), math.log10(cost / points[0][1]))
            for size, cost in points]


def power(exponent):
    return f"{10.0 ** exponent:g}"


def text(x, y, words, colour="black"):
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}">{escape(words)}</text>'


class Plot:
    def __init__(self, x_label, y_label):
        self.x_label, self.y_label = x_label, y_label
        self.curves = {}

    def add(self, name, points):
        self.curves[name] = multiples(points)

    def extent(self):
        """Decades: right end of x, lowest and highest of y."""
        points = [point for curve in self.curves.values() for point in curve] + [(1, 0)]
        right = math.ceil(max(x for x, _ in points))
        top = max(right, math.ceil(max(y for _, y in points)))
        return right, math.floor(min(y for _, y in points)), top

    def lines(self):
        right, low, top = self.extent()
        cells = [[" "] * (right * COLUMNS + 1) for _ in range((top - low) * ROWS + 1)]

        def put(x, y, mark):
            cells[round((top - y) * ROWS)][round(x * COLUMNS)] = mark

        for column in range(right * COLUMNS + 1):
            put(column / COLUMNS, column / COLUMNS, ".")
        for mark, curve in zip("abcd", self.curves.values()):
            for x, y in curve:
                put(x, y, mark)
        lines = [f"{self.y_label}, log"]
        for row, cell in enumerate(cells):
            label = power(top - row // ROWS) if row % ROWS == 0 else ""
            lines.append(f"{label:>7} {'+' if label else '|'}{''.join(cell)}".rstrip())
        ticks = "".join(f"{power(x):<{COLUMNS}}" for x in range(right + 1)).rstrip()
        lines += [f"{'':8}+{('-' * (COLUMNS - 1) + '+') * right}", f"{'':8}{ticks}",
                  f"{'':8}{self.x_label}, log"]
        return lines + [f"{mark}  {name}" for mark, name in zip("abcd", self.curves)] + [
            f".  {LINEAR}"]

    def svg(self):
        right, low, top = self.extent()
        key = MARGIN + (top - low) * PIXELS + 56
        height = key + 20 * (len(self.curves) + 1)

        def place(x, y):
            return MARGIN + x * PIXELS, MARGIN + (top - y) * PIXELS

        def line(points, colour, more=""):
            at = " ".join("{:.1f},{:.1f}".format(*place(*point)) for point in points)
            return f'<polyline points="{at}" fill="none" stroke="{colour}"{more}/>'

        out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{right * PIXELS + 2 * MARGIN}"'
               f' height="{height}" font-family="sans-serif" font-size="12">',
               '<rect width="100%" height="100%" fill="white"/>',
               text(MARGIN, MARGIN - 20, f"{self.y_label} (log)"),
               text(MARGIN, key - 20, f"{self.x_label} (log)")]
        for x in range(right + 1):
            out += [line([(x, low), (x, top)], "#ddd"),
                    text(place(x, 0)[0] - 8, key - 38, power(x))]
        for y in range(low, top + 1):
            out += [line([(0, y), (right, y)], "#ddd"), text(8, place(0, y)[1] + 4, power(y))]
        out += [line([(0, 0), (right, right)], "#888", ' stroke-dasharray="4 4"'),
                text(MARGIN, key, LINEAR, "#888")]
        for row, (name, colour) in enumerate(zip(self.curves, COLOURS)):
            curve = self.curves[name]
            out += [line(curve, colour, ' stroke-width="2"'),
                    text(MARGIN, key + 20 * (row + 1), name, colour)]
            out += ['<circle cx="{:.1f}" cy="{:.1f}" r="3" fill="{}"/>'.format(*place(*at), colour)
                    for at in curve]
        return "\n".join([*out, "</svg>", ""])
