"""What tests/bench/run scale draws."""

import pathlib
import sys
import xml.etree.ElementTree as xml

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import plot  # noqa: E402

SVG = "{http://www.w3.org/2000/svg}"


def drawn():
    figure = plot.Plot("times as many", "times the cost")
    figure.add("as many", [(10, 2), (100, 20), (1000, 200)])
    figure.add("a <tenth> & less", [(1, 50), (10, 5)])
    return figure


def test_text_has_both_axes_and_every_point_at_its_place():
    lines = drawn().lines()
    assert lines[0] == "times the cost, log" and "times as many, log" in lines[-4]
    top, left = 0, 9  # the row of 100, the column of 1
    at = {mark: [(row, column) for row, line in enumerate(lines[1:-6])
                 for column, sign in enumerate(line) if sign == mark and column >= left]
          for mark in "ab."}
    assert (top, left + 2 * plot.COLUMNS) in at["a"]
    assert (top + plot.ROWS, left + plot.COLUMNS) in at["a"]
    assert (top + 3 * plot.ROWS, left + plot.COLUMNS) in at["b"]
    assert all(row == top + round((2 - (column - left) / plot.COLUMNS) * plot.ROWS)
               for row, column in at["."])


def test_svg_is_xml_with_a_line_a_curve_and_one_of_slope_1():
    root = xml.fromstring(drawn().svg())
    assert root.tag == SVG + "svg"
    words = [text.text for text in root.iter(SVG + "text")]
    assert {"as many", "a <tenth> & less", plot.LINEAR} <= set(words)
    assert {"times as many (log)", "times the cost (log)", "0.1", "100"} <= set(words)
    assert len(list(root.iter(SVG + "circle"))) == 3 + 2
    dashed, = [line for line in root.iter(SVG + "polyline") if line.get("stroke-dasharray")]
    (x, y), (right, top) = [map(float, point.split(",")) for point in dashed.get("points").split()]
    assert right - x == y - top == 2 * plot.PIXELS


def test_a_cost_of_nothing_is_no_point():
    assert plot.multiples([(1, 0), (10, 3), (100, 3)]) == [(0, 0), (1, 0)]
    assert plot.multiples([(1, 0)]) == []
