"""All reports of a folder of marks, made anew from what is kept in it."""

from __future__ import annotations

from pathlib import Path

from vboxlab.errors import UsageError, said_by_system
from vboxlab.files import write_durably
from vboxlab.grading.pages import class_page, student_page
from vboxlab.grading.record import changes_of, kept
from vboxlab.grading.tables import Form, class_csv, junit, moodle_csv
from vboxlab.language import _

CLASS, TABLE, MOODLE, JUNIT = "class.html", "class.csv", "moodle.csv", "junit.xml"


def write_reports(folder: Path, form: Form, identity: str) -> list[Path]:
    """Write a page for each copy, and page and tables of all, and return the files.

    Raises UsageError where a file cannot be read or written.
    """
    graded = [(each, each.marks(changes_of(folder, name))) for name, each in kept(folder).items()]
    if not graded:
        return []
    texts = {f"{each.name}.html": student_page(each, marks) for each, marks in graded}
    texts |= {
        CLASS: class_page(graded),
        TABLE: class_csv(graded, form),
        MOODLE: moodle_csv(graded, form, identity),
        JUNIT: junit(graded),
    }
    for name, text in texts.items():
        try:
            # A spreadsheet takes a table for UTF-8 only with a mark at its beginning.
            write_durably(folder / name, text.encode("utf-8-sig" if name == TABLE else "utf-8"))
        except OSError as error:
            brief = _("{file} cannot be written: {why}").format(file=folder / name, why=said_by_system(error))
            raise UsageError(brief) from None
    return [folder / name for name in texts]
