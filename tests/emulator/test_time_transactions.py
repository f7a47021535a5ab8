import pytest

PATH = "project/TimeTransactions"


def at(key):
    return f"{PATH}(guid'{key}')"


def test_hours_are_created_read_changed_and_deleted(exact):
    created = exact.post(PATH, exact.hours(Notes="Dak gemeten", Date="2026-11-02"))
    assert created.status_code == 201
    record = created.json()["d"]
    assert record["Date"] == "/Date(1793577600000)/"
    assert created.headers["Location"] == record["__metadata"]["uri"]

    assert exact.get(at(record["ID"])).json()["d"]["Notes"] == "Dak gemeten"

    changed = exact.put(at(record["ID"]), {"Quantity": 3})
    assert (changed.status_code, changed.content) == (204, b"")
    now = exact.get(at(record["ID"])).json()["d"]
    assert (now["Quantity"], now["AmountFC"], now["Notes"]) == (3.0, 3 * now["PriceFC"], "Dak gemeten")

    assert exact.delete(at(record["ID"])).status_code == 204
    assert exact.get(at(record["ID"])).status_code == 404
    assert exact.delete(at(record["ID"])).status_code == 404


def test_a_put_can_ask_for_the_record_back(exact):
    key = exact.post(PATH, exact.hours()).json()["d"]["ID"]
    answer = exact.put(at(key), {"Notes": "later"}, Prefer="return=representation")
    assert answer.status_code == 200
    assert answer.json()["d"]["Notes"] == "later"


def test_a_put_on_an_unknown_key_is_a_403(exact):
    assert exact.put(at("00000000-0000-0000-0000-000000000000"), {"Notes": "x"}).status_code == 403


def test_what_follows_from_the_references_is_filled_in(exact):
    record = exact.post(PATH, exact.hours()).json()["d"]
    project = exact.get(f"project/Projects(guid'{record['Project']}')").json()["d"]
    me = exact.get("current/Me").json()["d"]["results"][0]
    assert record["ItemDescription"] == "Advies"
    assert record["ItemDivisable"] is True
    assert record["ProjectCode"] == project["Code"]
    assert record["ProjectDescription"] == project["Description"]
    assert record["ProjectAccount"] == project["Account"]
    assert record["ProjectAccountCode"] == project["AccountCode"]
    assert len(record["ProjectAccountCode"]) == 18
    assert record["Employee"] == me["EmployeeID"]
    assert record["CreatorFullName"] == me["FullName"]
    assert record["Type"] == 1
    assert record["HourStatus"] == 1
    assert record["EntryNumber"] > 0


def test_hours_can_be_for_an_account_or_a_subscription_instead_of_a_project(exact):
    account = exact.rows("crm/Accounts", filter="Name ne ''", top="1", select="ID,Name")[0]
    subscription = exact.rows("subscription/Subscriptions", top="1")[0]
    first = exact.post(PATH, exact.hours(Project=None, Account=account["ID"])).json()["d"]
    assert first["AccountName"] == account["Name"]
    second = exact.post(PATH, exact.hours(Project=None, Subscription=subscription["EntryID"])).json()["d"]
    assert second["SubscriptionNumber"] == subscription["Number"]
    assert second["SubscriptionAccount"] == subscription["OrderedBy"]


def test_what_followed_from_a_reference_goes_with_it(exact):
    account = exact.rows("crm/Accounts", filter="Name ne ''", top="1", select="ID")[0]["ID"]
    key = exact.post(PATH, exact.hours(Account=account)).json()["d"]["ID"]
    exact.put(at(key), {"Project": None})
    record = exact.get(at(key)).json()["d"]
    assert (record["ProjectCode"], record["ProjectAccount"], record["ProjectAccountCode"]) == (None, None, None)
    assert exact.put(at(key), {"Account": None}).status_code == 400


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"Item": None}, "Mandatory: Item"),
        ({"Quantity": None}, "Mandatory: Quantity"),
        ({"Project": None}, "Mandatory: Account, Project or Subscription"),
        ({"Colour": "red"}, "The property name 'Colour'"),
        ({"notes": "x"}, "The property name 'notes'"),
        ({"ProjectCode": "P1"}, "'ProjectCode' is read-only"),
        ({"AmountFC": 5.0}, "'AmountFC' is read-only"),
        ({"Quantity": "2"}, "property 'Quantity' to type 'Edm.Double'"),
        ({"Date": "tomorrow"}, "property 'Date' to type 'Edm.DateTime'"),
        ({"HourStatus": 20}, "HourStatus"),
        ({"HourStatus": 3}, "HourStatus"),
        ({"Item": "00000000-0000-0000-0000-000000000000"}, "Invalid reference: Item"),
        ({"Employee": "00000000-0000-0000-0000-000000000000"}, "Invalid reference: Employee"),
    ],
)
def test_wrong_hours_are_refused_and_not_stored(exact, error_text, change, text):
    before = exact.get(f"{PATH}/$count").text
    answer = exact.post(PATH, {name: v for name, v in exact.hours(**change).items() if v is not None})
    assert answer.status_code == 400
    assert text in error_text(answer)
    assert exact.get(f"{PATH}/$count").text == before


@pytest.mark.parametrize("status", [1, 2, 10])
def test_a_writable_status_is_kept(exact, status):
    assert exact.post(PATH, exact.hours(HourStatus=status)).json()["d"]["HourStatus"] == status


def test_a_fraction_needs_an_item_that_can_be_divided(exact, error_text):
    whole = exact.rows("logistics/Items", filter="Code eq 'DAGDEEL'", select="ID")[0]["ID"]
    assert "not divisable" in error_text(exact.post(PATH, exact.hours(Item=whole, Quantity=0.5)))
    key = exact.post(PATH, exact.hours(Item=whole, Quantity=2)).json()["d"]["ID"]
    assert exact.put(at(key), {"Quantity": 2.5}).status_code == 400
    assert exact.get(at(key)).json()["d"]["Quantity"] == 2.0


def test_an_activity_must_be_of_the_project(exact, error_text):
    body = exact.hours()
    rows = exact.rows("project/WBSActivities", filter=f"Project eq guid'{body['Project']}'", top="1")
    others = exact.rows("project/WBSActivities", filter=f"Project ne guid'{body['Project']}'", top="1")
    made = exact.post(PATH, {**body, "Activity": rows[0]["ID"]})
    assert made.json()["d"]["ActivityDescription"] == rows[0]["Description"]
    assert error_text(exact.post(PATH, {**body, "Activity": others[0]["ID"]})) == "Invalid reference: Activity"


def test_costs_keep_to_the_same_rules(exact, error_text):
    assert "Mandatory: Quantity" in error_text(exact.post("project/CostTransactions", {"Item": exact.hours()["Item"]}))
    made = exact.post("project/CostTransactions", exact.hours(Quantity=4)).json()["d"]
    assert made["Type"] == 2


def test_new_hours_are_in_the_recent_ones_of_the_user_only(exact, sign_in):
    key = exact.post(PATH, exact.hours(Notes="nu", HourStatus=10)).json()["d"]["ID"]
    first = exact.rows("read/project/RecentHours")[0]
    assert (first["EntryId"], first["HoursSubmitted"], first["HoursDraft"]) == (key, 1.5, 0.0)
    colleague = sign_in(user_name="planner@example.test")
    assert key not in {row["EntryId"] for row in colleague.rows("read/project/RecentHours")}


def test_recent_hours_reach_back_four_weeks_and_the_newest_come_first(exact):
    old = exact.post(PATH, exact.hours(Date="2020-01-06")).json()["d"]["ID"]
    rows = exact.rows("read/project/RecentHours")
    assert old not in {row["EntryId"] for row in rows}
    days = [row["Date"] for row in rows]
    assert len(days) > 3
    assert days == sorted(days, reverse=True)


def test_hours_by_id_and_by_date_take_parameters(exact):
    key = exact.post(PATH, exact.hours(Date="2020-01-06")).json()["d"]["ID"]
    by_id = exact.get(f"read/project/HoursById?entryId=guid'{key}'").json()["d"]
    by_date = exact.get("read/project/HoursByDate?checkDate=datetime'2020-01-06'").json()["d"]
    assert [row["EntryId"] for row in by_id] == [row["EntryId"] for row in by_date] == [key]


def test_nothing_of_one_division_is_seen_in_another(exact, emulator, sign_in):
    key = exact.post(PATH, exact.hours()).json()["d"]["ID"]
    other = sign_in(division=emulator.divisions[1])
    assert other.get(at(key)).status_code == 404
