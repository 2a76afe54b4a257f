"""The picture of a measure: what is drawn, where, and that it stands alone."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from tests.unit.verification.histories import failover, hung, interruption, judged, measured
from vboxlab.verification.axes import WIDTH
from vboxlab.verification.pictures import HEIGHT, LEFT, RIGHT, picture
from vboxlab.verification.report import StepReport

DETECTION = {"on": "srv-web-bis", "node": "srv-web"}


def drawn(step: StepReport) -> ET.Element:
    return ET.fromstring(picture(step))


def of_class(root: ET.Element, name: str) -> list[ET.Element]:
    return [element for element in root.iter() if element.attrib.get("class") == name]


def x_of(root: ET.Element, words: str) -> float:
    (found,) = (element for element in root.iter("text") if element.text == words)
    return float(found.attrib["x"])


def test_a_failover_is_drawn_with_its_cause_its_word_and_its_gap() -> None:
    root = drawn(judged(measured(failover(3.0, 15.0), step=interruption(detection=DETECTION), detected=[7.4])))
    (gone,) = of_class(root, "gone")
    begin, width = float(gone.attrib["x"]), float(gone.attrib["width"])
    seconds = (WIDTH - LEFT - RIGHT) / 19.9
    assert abs(begin - (LEFT + 3.0 * seconds)) < 2
    assert abs(width - 12.0 * seconds) < 3
    assert len(of_class(root, "lost")) == 120
    assert len(of_class(root, "by0")) == 30 + 1  # and its legend
    assert len(of_class(root, "by1")) == 50 + 1
    assert abs(x_of(root, "0 s") - begin) < 2
    assert x_of(root, "4 s") < x_of(root, "said to be dead") < x_of(root, "6 s")
    assert len(of_class(root, "bar")) == 12


def test_it_stands_alone_and_within_its_frame() -> None:
    step = judged(measured(failover(3.0, 15.0)))
    root = drawn(step)
    assert root.attrib["viewBox"] == f"0 0 {WIDTH} {HEIGHT}"
    assert root[0].text == step.title
    assert not [e for e in root.iter() if e.tag in ("script", "image", "a", "foreignObject", "use")]
    for element in root.iter():
        for key in ("x", "x1", "x2", "cx"):
            assert 0 <= float(element.attrib.get(key, 0)) <= WIDTH, element.attrib
        for key in ("y", "y1", "y2", "cy"):
            assert 0 <= float(element.attrib.get(key, 0)) <= HEIGHT, element.attrib


def test_a_service_that_never_came_back_is_gone_to_the_end() -> None:
    root = drawn(judged(measured(failover(3.0, 99.0))))
    (gone,) = of_class(root, "gone")
    assert abs(float(gone.attrib["x"]) + float(gone.attrib["width"]) - (WIDTH - RIGHT)) < 2


def test_nothing_asked_is_no_picture_and_nothing_caused_is_one_without_a_cause() -> None:
    assert picture(judged(measured([], None))) == ""
    root = drawn(judged(measured([hung(n / 10) for n in range(20)], None)))
    assert not of_class(root, "cause")
    assert len(of_class(root, "lost")) == 20


def test_a_hostile_name_is_text() -> None:
    step = judged(measured(failover(3.0, 15.0), step=interruption(title="</title><script>alert(1)</script>")))
    assert [e.tag for e in drawn(step)][:2] == ["title", "desc"]
