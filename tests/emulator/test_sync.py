import datetime

import pytest

HOURS = "project/TimeTransactions"
SYNC = "sync/Project/TimeCostTransactions"


def newest(exact):
    rows, _ = exact.every(SYNC, filter="Timestamp gt 1L", select="Timestamp")
    return max(int(row["Timestamp"]) for row in rows)


def changed_since(exact, version):
    return exact.rows(SYNC, filter=f"Timestamp gt {version}L")


def test_a_write_is_seen_by_sync_with_a_higher_row_version(exact):
    before = newest(exact)
    key = exact.post(HOURS, exact.hours(Notes="eerst")).json()["d"]["ID"]
    (created,) = changed_since(exact, before)
    exact.put(f"{HOURS}(guid'{key}')", {"Notes": "daarna"})
    (updated,) = changed_since(exact, created["Timestamp"])
    assert created["ID"] == updated["ID"] == key
    assert int(before) < int(created["Timestamp"]) < int(updated["Timestamp"])
    assert (created["Notes"], updated["Notes"]) == ("eerst", "daarna")
    assert len(changed_since(exact, before)) == 1


def test_sync_calls_the_activity_wbs(exact):
    body = exact.hours()
    activity = exact.rows("project/WBSActivities", filter=f"Project eq guid'{body['Project']}'", top="1")[0]
    before = newest(exact)
    exact.post(HOURS, {**body, "Activity": activity["ID"]})
    (row,) = changed_since(exact, before)
    assert (row["WBS"], row["WBSDescription"]) == (activity["ID"], activity["Description"])


def test_costs_and_hours_are_mixed(exact):
    rows, _ = exact.every(SYNC, filter="Timestamp gt 1", select="Type")
    assert {row["Type"] for row in rows} == {1, 2}


def test_a_deletion_is_logged_and_the_record_gone(exact):
    key = exact.post(HOURS, exact.hours()).json()["d"]["ID"]
    before = newest(exact)
    exact.delete(f"{HOURS}(guid'{key}')")
    assert changed_since(exact, before - 1) == []
    (entry,) = exact.rows("sync/Deleted", filter=f"Timestamp gt {before}L and EntityType eq 14")
    assert entry["EntityKey"] == key
    assert entry["EntityType"] == 14
    assert int(entry["Timestamp"]) > before


def test_the_log_of_deletions_is_kept_two_months(exact):
    exact.emulator.settings(access_token_seconds=100 * 86_400)
    exact.tokens = exact.emulator.sign_in()
    exact.delete(f"{HOURS}(guid'{exact.post(HOURS, exact.hours()).json()['d']['ID']}')")
    exact.emulator.advance(datetime.timedelta(days=60).total_seconds())
    assert len(exact.rows("sync/Deleted")) == 1
    exact.emulator.advance(datetime.timedelta(days=2).total_seconds())
    assert exact.rows("sync/Deleted") == []


def test_the_version_an_update_replaced_can_be_returned_too(exact):
    before = newest(exact)
    key = exact.post(HOURS, exact.hours()).json()["d"]["ID"]
    exact.put(f"{HOURS}(guid'{key}')", {"Notes": "x"})
    exact.emulator.settings(sync_duplicates=True)
    rows = changed_since(exact, before)
    assert [row["ID"] for row in rows] == [key, key]
    assert [row["Notes"] for row in rows] == [None, "x"]


def test_row_versions_start_again_when_a_division_moves(exact):
    before = newest(exact)
    exact.emulator.move_division(exact.division)
    after = newest(exact)
    assert after < before
    exact.post(HOURS, exact.hours())
    assert newest(exact) > after
    division = next(row for row in exact.rows("system/Divisions") if row["Code"] == exact.division)
    assert division["DivisionMoveDate"] is not None
    assert exact.rows("sync/Project/Projects", select="ID,Timestamp")


@pytest.mark.parametrize(
    ("plain", "twin"),
    [
        ("crm/Accounts", "sync/CRM/Accounts"),
        ("crm/Accounts", "bulk/CRM/Accounts"),
        ("logistics/Items", "sync/Logistics/Items"),
        ("project/Projects", "sync/Project/Projects"),
        ("salesorder/SalesOrders", "sync/SalesOrder/SalesOrderHeaders"),
        ("payroll/Employees", "sync/Payroll/Employees"),
    ],
)
def test_twins_show_the_same_records(exact, plain, twin):
    is_order = plain == "salesorder/SalesOrders"
    key = "OrderID" if is_order else "ID"
    everything = "OrderNumber gt 0" if is_order else "Created gt datetime'2000-01-01'"
    plain_rows, _ = exact.every(plain, select=key, filter=everything)
    if twin.startswith("sync/"):
        everything = "Timestamp gt 1L"
    twin_rows, _ = exact.every(twin, select=key, filter=everything)
    assert {row[key] for row in plain_rows} == {row[key] for row in twin_rows}


def test_sync_timestamp_finds_the_first_version_of_a_moment(exact):
    rows, _ = exact.every("sync/Project/Projects", select="Timestamp,Modified")
    days = sorted(int(row["Modified"][6:-2]) for row in rows)
    middle = datetime.datetime.fromtimestamp(days[45] / 1000, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S")
    (found,) = exact.get(f"read/sync/Sync/SyncTimestamp?modified=datetime'{middle}'&endPoint='Projects'").json()["d"]
    expected = min(int(row["Timestamp"]) for row in rows if int(row["Modified"][6:-2]) >= days[45])
    assert found["TimeStampAsBigInt"] == str(expected)


@pytest.mark.parametrize(
    "query",
    [
        "modified=datetime'2026-01-01'",
        "endPoint='Projects'",
        "modified='2026-01-01'&endPoint='Projects'",
        "modified=datetime'2026-01-01'&endPoint='Nothing'",
        "modified=datetime'2026-01-01'&endPoint='Projects'&more=1",
        "$filter=Modified gt datetime'2026-01-01'",
    ],
)
def test_a_function_called_wrongly_is_an_error_in_query_syntax(exact, error_text, query):
    answer = exact.get(f"read/sync/Sync/SyncTimestamp?{query}")
    assert answer.status_code == 400
    assert error_text(answer) == "Error in query syntax"


def test_a_sync_record_is_found_by_its_row_version_and_by_its_id(exact):
    row = exact.rows("sync/Project/Projects", select="ID,Timestamp", top="1")[0]
    assert exact.get(row["__metadata"]["uri"]).json()["d"]["ID"] == row["ID"]
    assert exact.get(f"sync/Project/Projects(guid'{row['ID']}')").json()["d"]["Timestamp"] == row["Timestamp"]
    assert exact.get("sync/Project/Projects(1L)").status_code == 404
