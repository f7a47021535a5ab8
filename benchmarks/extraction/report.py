"""Results as tables in Markdown, and the aims that they are held against."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from benchmarks.extraction.scenarios import Result, Scenario

JSONL = "this provider, JSONL"
PARQUET = "this provider, Parquet"
# What a format imports besides.
FORMATS: dict[str, tuple[str, ...]] = {JSONL: (), PARQUET: ("pyarrow", "pyarrow.parquet")}
# What each is compared with.
PLAIN_LOOP = "requests + orjson"
RIVALS = {JSONL: PLAIN_LOOP, PARQUET: "requests + orjson + pyarrow"}
GROWTH_ALLOWED = 20.0
ABOVE_AIRFLOW_ALLOWED = 60.0


def table(scenario: Scenario, results: Mapping[str, Result]) -> str:
    """Return what each contestant took."""
    rows = []
    for name, result in results.items():
        first = f"{result.first:.2f} s" if "Parquet" not in name and "pyarrow" not in name else ""
        rows.append(
            (
                name,
                f"{result.wall:.2f} s",
                f"{result.cpu:.2f} s",
                f"{scenario.rows / result.wall:,.0f}",
                f"{result.needed:.0f} MB",
                str(result.calls),
                first,
            )
        )
    heads = ("", "wall", "CPU", "rows a second", "memory beyond imports", "calls", "first row after")
    lines = [f"**{scenario}**\n\n", _table(heads, rows)]
    for ours, rival in RIVALS.items():
        if ours in results and rival in results:
            faster = results[rival].wall / results[ours].wall
            cheaper = results[ours].cpu / results[rival].cpu
            lines.append(f"\n- {ours}: {faster:.2f} times as fast as {rival}, {cheaper:.2f} times its CPU seconds")
    return "".join(lines) + "\n"


def calls(results: Mapping[Scenario, Mapping[str, Result]], plain: str, sync: str, unchanged: Mapping[str, int]) -> str:
    """Return how many calls it takes to read 100,000 records, and to find out that nothing changed."""
    rows = []
    for path in (sync, plain):
        scenario, found = next((each, found) for each, found in results.items() if each.path == path)
        per = found[JSONL].calls / scenario.rows * 100_000
        rows.append((f"100,000 records of `{path}`, {scenario.page_size:,} a page", f"{per:,.0f}"))
    rows += [(f"`{path}` again when nothing changed", str(count)) for path, count in unchanged.items()]
    return _table(("calls", ""), rows) + "\n"


def memory(small: Mapping[str, Result], large: Mapping[str, Result], without: Mapping[str, float]) -> str:
    """
    Return the peaks of resident memory, and how far they are from the aims.

    :param without: What a process holds that has only imported what this provider does of Airflow, and for a format.
    """
    rows = []
    for name, imported in without.items():
        if name in small and name in large:
            few, many = small[name].peak, large[name].peak
            figures = (few, many, many - few, many - without[JSONL], many - imported)
            rows.append((name, *(f"{figure:.0f} MB" for figure in figures)))
    heads = ("peak memory", "6,000 rows", "300,000 rows", "more", "beyond Airflow", "beyond Airflow and pyarrow")
    allowed = f"Aims: at most {GROWTH_ALLOWED:.0f} MB more, {ABOVE_AIRFLOW_ALLOWED:.0f} MB beyond Airflow"
    return f"{_table(heads, rows)}\n{allowed}.\n"


def waiting(scenario: Scenario, results: Mapping[str, Result]) -> str:
    """Return how much of its work each contestant does while it waits for an answer."""
    pages = -(-scenario.rows // scenario.page_size)
    rows = []
    for name, result in results.items():
        # Nobody works while the answers are late, but for who calls ahead.
        work = max(result.wall - scenario.delay * pages, result.cpu) / pages * 1000
        idle = result.idle / max(pages - 1, 1) * 1000
        rows.append((name, f"{work:.0f} ms", f"{idle:.0f} ms", f"{result.wall:.2f} s"))
    heads = (f"answers {scenario.delay * 1000:.0f} ms late", "work for a page", "until the next call", "wall")
    return _table(heads, rows) + "\n"


def imports(base: float, ours: float, eager: float) -> str:
    """Return what a Dag file pays that imports operators."""
    rows = [
        ("`airflow.sdk`", f"{base * 1000:.0f} ms"),
        ("and this provider's operators", f"{ours * 1000:+.0f} ms"),
        ("and all that they use, if it were not put off", f"{eager * 1000:+.0f} ms"),
    ]
    return _table(("import", ""), rows) + "\n"


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [tuple(heads)]
    marks = ("---", *("--:" for _ in lines[0][1:]))
    return "".join(f"| {' | '.join(line)} |\n" for line in (*lines, marks, *map(tuple, rows)))
