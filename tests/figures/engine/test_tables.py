"""Tables: one writer, and the files in the gallery are what it makes of the stored numbers."""

import pytest

from figures.engine.result import GALLERY, load_result
from figures.engine.tables import difference_text, markdown
from figures.images import methods as methods_images
from figures.images import table1
from figures.toy import corruptions, methods, product, robustness, seeds


def test_a_table():
    assert markdown(["", "n"], [["a", 1], ["b", 2.5]]) == "|  | n |\n|---|---|\n| a | 1 |\n| b | 2.5 |\n"
    with pytest.raises(ValueError, match="2 columns, but a row of 1"):
        markdown(["", "n"], [["a"]])


def test_a_difference():
    d = {"mean": -0.021, "low": -0.033, "high": 0.009}
    assert difference_text(d) == "−2.1 (−3.3, +0.9) %" and difference_text(d, "+.3f") == "−0.021 (−0.033, +0.009)"


MAKERS = {"seeds": seeds.markdown, "seeds-short": seeds.short, "corruptions": corruptions.markdown,
          "robustness": robustness.markdown, "product": product.table, "methods": methods.whole_text}  # fmt: skip
MAKERS = {name: lambda result, make=make: make(result.numbers) for name, make in MAKERS.items()}
MAKERS["fashion-16/methods_images"] = lambda result: methods_images.text(result.numbers)
MAKERS |= {f"{study}/table1": table1.text for study in ("digits", "fashion-16")}
MAKERS |= {f"{study}/table1-short": table1.short for study in ("digits", "fashion-16")}


@pytest.mark.parametrize("name", MAKERS)
def test_tables_in_the_gallery_are_their_numbers(name):
    result = load_result(name.removesuffix("-short"))
    assert MAKERS[name](result) == (GALLERY / f"{name}.md").read_text()


def test_every_table_in_the_gallery_is_tested():
    assert {str(p.relative_to(GALLERY).with_suffix("")) for p in GALLERY.rglob("*.md")} == set(MAKERS)
