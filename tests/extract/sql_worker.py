"""
A process that loads made-up accounts into a table, for tests that kill it or let it meet others.

``python -m tests.extract.sql_worker URL TABLE DIVISION PAGES COLUMN`` says ``ready``, begins at a line on its standard
input, and says after each page its number. ``COLUMN`` is one of its own.
"""

import sys

import sqlalchemy as sa

from airflow_provider_exact.client.rows import Column
from airflow_provider_exact.extract.sql_table import Table
from tests.extract.tables import COLUMNS, account, at, page, plan_of

ON_A_PAGE = 20


def records(number):
    """Return the records of a page; every other page repeats some of the one before as they were earlier."""
    first = (number - 1) * ON_A_PAGE
    found = [account(first + offset, f"account {first + offset}", first + offset + 1) for offset in range(ON_A_PAGE)]
    return found + [account(first - offset, "stale", 0) for offset in range(1, 4) if number % 2 == 0]


def truth(pages):
    return [f"account {number}" for number in range(pages * ON_A_PAGE)]


def plan_for(division, column):
    return plan_of((*COLUMNS, Column(column, "String")), division=division)


def go_on(table, plan, pages, say=lambda *_: None):
    """Load all pages that are not with the table yet; return with which one it began."""
    checkpoint = table.unfinished(plan) or at(0)
    begin = int(checkpoint.next_url.rpartition("/")[2]) if checkpoint.next_url else 1
    table.open(plan, checkpoint)
    for number in range(begin, pages + 1):
        table.write(page(records(number), plan.columns), at(number, page=number + 1))
        say(number)
    table.finish(at(pages, phase="done"))
    return begin


if __name__ == "__main__":
    url, name, division, pages, column = sys.argv[1:]
    engine = sa.create_engine(url)
    print("ready", flush=True)
    sys.stdin.readline()
    table = Table(engine, name, run=f"run of {division}", batch_size=3 * ON_A_PAGE)
    go_on(table, plan_for(int(division), column), int(pages), lambda number: print(number, flush=True))
