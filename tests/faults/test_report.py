"""docs/faults.md: the worst of all runs, between its two marks; the words around it stay."""

from faults import report
from faults.scene import Found


def test_the_worst_of_all_runs_is_written_and_the_words_stay(tmp_path):
    page = tmp_path / "faults.md"
    page.write_text(f"# Words before\n{report.BEGIN}\nold\n{report.END}\nWords after\n")
    runs = [
        Found(figures={"longest way s": 1.0, "tries": 3}, raised=10, recovery_s=0.5),
        Found(figures={"longest way s": 2.5, "tries": 2}, raised=12, lost=1, recovery_s=1.5, faults=["I1: gone"]),
    ]
    report.write(page, {"F05": runs})
    text = page.read_text()
    assert text.startswith("# Words before\n")
    assert text.endswith("Words after\n")
    assert "old" not in text
    row = next(line for line in text.splitlines() if line.startswith("| F05"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[2:7] == ["22", "1", "0", "1.5 s", "2.5 s"]
    assert cells[7] == "**invariants broken in 1 of 2 runs**; tries 3"
    report.write(page, {"F05": runs[:1]})
    assert "broken" not in page.read_text()
