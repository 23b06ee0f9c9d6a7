# SPDX-License-Identifier: GPL-2.0-or-later
"""Draws what bench_stop.py measured as SVG: the stop above and the whole apply below,
idle on the left and under load on the right, over the number of functions, one line for
each number of CPUs; both axes are logarithmic."""
import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 430, 300            # of a panel, with what is around it
LEFT, TOP, RIGHT, BOTTOM = 62, 34, 14, 44
LEGEND = 64
COLOURS = ("#1f6fb4", "#d1730b", "#2c8a3d", "#b3262a", "#6f4fa3", "#555555")
SANS = 'font-family="sans-serif"'


def text(x, y, words, size=11, anchor="middle", more=""):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" {SANS} '
            f'text-anchor="{anchor}" {more}>{escape(words)}</text>')


def line(x1, y1, x2, y2, style):
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
            f'{style}/>')


class Panel:
    """One set of axes; (x, y) is its upper left corner. Values in ms."""

    def __init__(self, x, y, title, counts, low, high):
        self.x, self.y, self.title, self.counts = x, y, title, counts
        self.low, self.high = math.floor(low), math.ceil(high)
        self.parts = []

    def across(self, count):
        first, last = (math.log10(self.counts[0]), math.log10(self.counts[-1]))
        share = (math.log10(count) - first) / ((last - first) or 1)
        inner = WIDTH - LEFT - RIGHT - 20
        return self.x + LEFT + 10 + share * inner

    def down(self, value):
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return self.y + HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    def axes(self):
        right, bottom = self.x + WIDTH - RIGHT, self.y + HEIGHT - BOTTOM
        parts = [text(self.x + WIDTH / 2, self.y + 20, self.title, 13)]
        for power in range(self.low, self.high + 1):
            y = self.down(10 ** power)
            parts.append(line(self.x + LEFT, y, right, y, 'stroke="#ddd"'))
            parts.append(text(self.x + LEFT - 6, y + 4, f"{10.0 ** power:g}",
                              anchor="end"))
        for count in self.counts:
            parts.append(text(self.across(count), bottom + 16, str(count)))
        parts.append(text(self.x + WIDTH / 2, bottom + 34, "functions"))
        middle = self.y + HEIGHT / 2
        parts.append(text(self.x + 16, middle, "ms", more="transform=\"rotate("
                          f"-90 {self.x + 16:.1f} {middle:.1f})\""))
        return parts

    def curve(self, points, colour, dash=""):
        """@points: (functions, ms)."""
        path = " ".join(f"{self.across(count):.1f},{self.down(value):.1f}"
                        for count, value in points)
        self.parts.append(f'<polyline points="{path}" fill="none" stroke='
                          f'"{colour}" stroke-width="1.6" '
                          f'stroke-dasharray="{dash}"/>')
        for count, value in points:
            self.parts.append(f'<circle cx="{self.across(count):.1f}" cy='
                              f'"{self.down(value):.1f}" r="2.4" '
                              f'fill="{colour}"/>')

    def whisker(self, count, low, high, colour):
        x = self.across(count)
        self.parts.append(line(x, self.down(low), x, self.down(high),
                               f'stroke="{colour}" stroke-width="1"'))
        self.parts.append(line(x - 3, self.down(high), x + 3, self.down(high),
                               f'stroke="{colour}" stroke-width="1"'))

    def draw(self):
        return self.axes() + self.parts


# A row of panels: title, what is drawn in full with its p99, what is dashed.
ROWS = (("The stop", "stop_ns", "stop_machine_change_ns_p50"),
        ("The whole apply", "apply_ns", "livepatch_transition_ns_p50"))


def panel_of(cells, x, y, row, state, limits):
    title, ours, theirs = row
    counts = sorted({cell["functions"] for cell in cells})
    cpu_counts = sorted({cell["cpus"] for cell in cells})
    panel = Panel(x, y, f"{title}, {state}", counts, *limits)
    for index, cpus in enumerate(cpu_counts):
        colour = COLOURS[index % len(COLOURS)]
        mine = sorted((cell for cell in cells if cell["cpus"] == cpus and
                       cell["state"] == state),
                      key=lambda cell: cell["functions"])
        panel.curve([(cell["functions"], cell[f"{ours}_p50"] / 1e6)
                     for cell in mine], colour)
        panel.curve([(cell["functions"], cell[theirs] / 1e6)
                     for cell in mine], colour, "4 3")
        for cell in mine:
            panel.whisker(cell["functions"], cell[f"{ours}_p50"] / 1e6,
                          cell[f"{ours}_p99"] / 1e6, colour)
    return panel.draw()


def limits(cells, row):
    """Powers of ten (of ms) between which all values of a row lie."""
    values = [cell[key] / 1e6 for cell in cells
              for key in (f"{row[1]}_p50", f"{row[1]}_p99", row[2])]
    return math.log10(min(values)), math.log10(max(values))


def legend(cells, y):
    parts, x = [], LEFT
    for index, cpus in enumerate(sorted({cell["cpus"] for cell in cells})):
        colour = COLOURS[index % len(COLOURS)]
        parts.append(line(x, y, x + 22, y, f'stroke="{colour}" '
                          'stroke-width="2"'))
        parts.append(text(x + 28, y + 4, f"{cpus} CPU" + "s" * (cpus > 1),
                          anchor="start"))
        x += 90
    parts.append(text(LEFT, y + 22, "full: Underseal, median, with a line up to "
                      "its 99th percentile. Dashed: stop_machine() with changes of "
                      "the same size (above),", anchor="start"))
    parts.append(text(LEFT, y + 38, "the transition of the kernel's own livepatch "
                      "of the same functions (below); medians.", anchor="start"))
    return parts


def draw(cells):
    width, height = 2 * WIDTH, 2 * HEIGHT + LEGEND
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height='
             f'"{height}" viewBox="0 0 {width} {height}">',
             f'<rect width="{width}" height="{height}" fill="#fff"/>']
    for number, row in enumerate(ROWS):
        for column, state in enumerate(("idle", "load")):
            parts += panel_of(cells, column * WIDTH, number * HEIGHT, row,
                              state, limits(cells, row))
    parts += legend(cells, 2 * HEIGHT + 12)
    return "\n".join(parts + ["</svg>"]) + "\n"
