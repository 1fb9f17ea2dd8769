from xml.etree import ElementTree as ET

from phiz.lab.report.svg import CSS_TEXT_COLOUR, draw_line, draw_part, draw_text, wrap_svg


def test_svg_has_its_title_size_and_parts() -> None:
    parts = [draw_part("rect", width=3, stroke_width="2"), draw_text(1, 2, "a <b> & c")]
    drawn = ET.fromstring(wrap_svg("t <1>", (30, 20), parts, width="30"))  # noqa: S314  our own
    assert (drawn.attrib["viewBox"], drawn.attrib["width"]) == ("0 0 30 20", "30")
    title, box, text = drawn
    assert (title.text, text.text) == ("t <1>", "a <b> & c")
    assert box.attrib == {"width": "3", "stroke-width": "2"}
    assert text.attrib == {"x": "1.0", "y": "2.0", "fill": CSS_TEXT_COLOUR}


def test_line_leaves_out_points_that_look_the_same() -> None:
    line = ET.fromstring(draw_line([(0, 0), (0.01, 0), (1, 2)], stroke="red"))  # noqa: S314  our own
    assert line.attrib == {"points": "0.0,0.0 1.0,2.0", "fill": "none", "stroke": "red"}
