"""Every endpoint of the catalogue: each can be listed, read by its key and written as far as its methods go."""

import json

import pytest

from airflow_provider_exact.client.catalogue import load

EVERY = sorted(load().values(), key=lambda endpoint: endpoint.path)
SAMPLES = {
    "Guid": "guid'00000000-0000-0000-0000-000000000000'",
    "DateTime": "datetime'2026-01-01'",
    "Int16": "2",
    "Int32": "2",
    "Boolean": "true",
    "String": "'Projects'",
}
VALUES = {
    "Guid": "00000000-0000-0000-0000-00000000000a",
    "DateTime": "2026-01-01",
    "Int16": 7,
    "Int32": 7,
    "Int64": 7,
    "Byte": 1,
    "Boolean": True,
    "Double": 7.0,
    "String": "zeven",
    "Binary": "emV2ZW4=",
    None: "zeven",
}
REFERENCES = {
    "Account": ("crm/Accounts", "Name ne ''", "ID"),
    "Item": ("logistics/Items", "IsTime eq 1", "ID"),
    "Project": ("project/Projects", "Code ne ''", "ID"),
    "Employee": ("payroll/Employees", "IsActive eq true", "ID"),
    "Subscription": ("subscription/Subscriptions", "Number gt 0", "EntryID"),
}


def query_for(endpoint):
    query = {}
    if endpoint.filter_mandatory:
        fields = [endpoint.property(name) for name in endpoint.filter_fields if endpoint.property(name)]
        # Seeded records have no value in every field: the ones that all of them have come first.
        prop = sorted(fields, key=lambda field: field.name not in {"Created", "Modified", "ID"})[0]
        query["filter"] = f"{prop.name} ne {SAMPLES[prop.type]}"
    if endpoint.select_required:
        query["select"] = ",".join(field.name for field in endpoint.key)
    return query


def known(exact, name):
    path, wanted, key = REFERENCES[name]
    return exact.rows(path, filter=wanted, select=key, top="1")[0][key]


def body_for(exact, endpoint):
    body = {}
    for prop in endpoint.properties:
        if prop.name in REFERENCES and prop.mandatory:
            body[prop.name] = known(exact, prop.name)
        elif prop.mandatory and prop.target is None:
            body[prop.name] = VALUES[prop.type]
        elif prop.mandatory:
            lines = [e for e in EVERY if e.name == prop.target and "POST" in e.methods]
            body[prop.name] = [body_for(exact, line) for line in lines[:1]] or [{}]
    for field in endpoint.key:
        if field.type in {"String", "DateTime"} or len(endpoint.key) > 1:
            body[field.name] = VALUES[field.type]
    return body


@pytest.mark.parametrize(
    "endpoint", [e for e in EVERY if "GET" in e.methods and not e.is_function], ids=lambda endpoint: endpoint.path
)
def test_an_endpoint_lists_records_and_gives_one_by_its_key(exact, endpoint):
    rows = exact.rows(endpoint.path, **query_for(endpoint))
    if endpoint.path == "sync/Deleted":
        assert rows == []
        return
    assert rows
    if not endpoint.key:
        return
    address = rows[0]["__metadata"]["uri"]
    single = exact.get(address)
    assert single.status_code == 200, single.text
    for field in endpoint.key:
        assert single.json()["d"][field.name] == rows[0][field.name]


@pytest.mark.parametrize(
    "endpoint", [e for e in EVERY if "GET" in e.methods and e.is_function], ids=lambda endpoint: endpoint.path
)
def test_a_function_answers_its_parameters_with_a_bare_list(exact, endpoint, error_text):
    given = {field.name: SAMPLES[field.type] for field in endpoint.parameters or ()}
    if "projectId" in given:
        given["projectId"] = f"guid'{known(exact, 'Project')}'"
    query = "&".join(f"{name}={value}" for name, value in given.items())
    answer = exact.get(f"{endpoint.path}?{query}")
    assert answer.status_code == 200, answer.text
    assert isinstance(answer.json()["d"], list if endpoint.properties else dict)
    refused = exact.get(endpoint.path, filter="ID ne 1")
    assert (refused.status_code, error_text(refused)) == (400, "Error in query syntax")


def test_a_method_that_an_endpoint_does_not_have_is_a_405(exact):
    tried = 0
    for endpoint in EVERY:
        for method in {"GET", "POST", "PUT", "DELETE"} - set(endpoint.methods):
            answer = exact.call(method, endpoint.path, body={})
            assert (endpoint.path, method, answer.status_code) == (endpoint.path, method, 405)
            assert answer.headers["Allow"] == ", ".join(endpoint.methods)
            tried += 1
    assert tried > len(EVERY)
    assert exact.call("PATCH", "project/TimeTransactions", body={}).status_code == 405


# These stand for more than their own fields tell: their rules have tests of their own.
OWN_RULES = {"project/TimeTransactions", "project/CostTransactions"}


@pytest.mark.parametrize(
    "endpoint",
    [e for e in EVERY if "POST" in e.methods and not e.is_function and e.path not in OWN_RULES],
    ids=lambda endpoint: endpoint.path,
)
def test_an_endpoint_creates_changes_and_deletes_by_its_own_key(exact, endpoint, error_text):
    body = body_for(exact, endpoint)
    made = exact.post(endpoint.path, body)
    assert made.status_code == 201, made.text
    address = made.json()["d"]["__metadata"]["uri"]

    for name in (prop.name for prop in endpoint.properties if prop.mandatory and prop.is_writable("POST")):
        without = exact.post(endpoint.path, {key: value for key, value in body.items() if key != name})
        assert (without.status_code, error_text(without)) == (400, f"Mandatory: {name}")
    assert exact.post(endpoint.path, {**body, "NoSuchField": 1}).status_code == 400
    for prop in endpoint.properties:
        if not prop.is_writable("POST"):
            assert "read-only" in error_text(exact.post(endpoint.path, {**body, prop.name: None}))
            break

    if "PUT" in endpoint.methods:
        change = next((p for p in endpoint.properties if changeable(endpoint, p)), None)
        if change is not None:
            value = "anders" if change.type == "String" else 3.0
            assert exact.put(address, {change.name: value}).status_code == 204
            if "GET" in endpoint.methods:
                assert exact.get(address).json()["d"][change.name] == value
    if "DELETE" in endpoint.methods:
        assert exact.delete(address).status_code == 204
        assert exact.delete(address).status_code == 404


def changeable(endpoint, prop):
    keys = {field.name for field in endpoint.key}
    return prop.type in {"String", "Double"} and prop.is_writable("PUT") and prop.name not in keys


@pytest.mark.parametrize(
    ("path", "key", "missing"),
    [
        ("general/Currencies", "'EUR'", "'XXX'"),
        ("financial/GLTransactionTypes", "1", "99"),
        ("logistics/Incoterms", "1", "99"),
        ("financial/ReportingBalance", "1L", "99L"),
        ("financial/ReportingBalance", "1", "99"),
        ("crm/Contacts", None, "guid'00000000-0000-0000-0000-000000000000'"),
        ("openingbalance/CurrentYear/AfterEntry", None, "Division=1,GLAccount=guid'{0}',ReportingYear=1"),
    ],
)
def test_a_key_is_written_as_its_type_wants_it(exact, path, key, missing):
    address = f"{path}({key})" if key else exact.rows(path)[0]["__metadata"]["uri"]
    assert exact.get(address).status_code == 200
    assert exact.get(f"{path}({missing.format('00000000-0000-0000-0000-000000000000')})").status_code == 404


def test_a_header_is_created_with_its_lines_and_deleted_with_them(exact):
    body = {
        "OrderedBy": known(exact, "Account"),
        "SalesOrderLines": [
            {"Item": known(exact, "Item"), "Quantity": 2.0},
            {"Item": known(exact, "Item"), "Quantity": 3.0},
        ],
    }
    order = exact.post("salesorder/SalesOrders", body).json()["d"]["OrderID"]
    wanted = {"filter": f"OrderID eq guid'{order}'", "select": "ID,Quantity,OrderID"}
    lines = exact.rows("salesorder/SalesOrderLines", **wanted)
    assert sorted(line["Quantity"] for line in lines) == [2.0, 3.0]
    exact.delete(f"salesorder/SalesOrders(guid'{order}')")
    assert exact.rows("salesorder/SalesOrderLines", **wanted) == []


def test_a_header_with_a_wrong_line_is_not_stored_at_all(exact, error_text):
    before = exact.get("salesorder/SalesOrders/$count", filter="OrderNumber ge 0").text
    lines = [{"Item": known(exact, "Item"), "Quantity": 1.0}, {"Quantity": 1.0}]
    answer = exact.post("salesorder/SalesOrders", {"OrderedBy": known(exact, "Account"), "SalesOrderLines": lines})
    assert error_text(answer) == "Mandatory: Item"
    assert exact.get("salesorder/SalesOrders/$count", filter="OrderNumber ge 0").text == before


def test_lines_are_not_changed_through_their_header(exact, error_text):
    order = exact.rows("salesorder/SalesOrders", filter="OrderNumber gt 0", top="1")[0]
    answer = exact.put(order["__metadata"]["uri"], {"SalesOrderLines": []})
    assert "SalesOrderLines" in error_text(answer)


def test_an_id_that_exists_already_is_a_business_error(exact, error_text):
    body = {"ID": "11111111-2222-3333-4444-555555555555", "Name": "Wadloper"}
    assert exact.post("crm/Accounts", body).status_code == 201
    again = exact.post("crm/Accounts", body)
    assert (again.status_code, error_text(again)) == (500, "Gegeven bestaat reeds.")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"text"', b"null", json.dumps({"Name": "x"}).encode() + b"}"])
def test_a_body_that_is_not_a_record_is_a_400(exact, body):
    import requests

    headers = {"Authorization": f"Bearer {exact.tokens['access_token']}", "Content-Type": "application/json"}
    answer = requests.post(exact.url("crm/Accounts"), data=body, headers=headers, timeout=60)
    assert answer.status_code == 400


def test_a_body_in_another_format_is_a_415(exact):
    assert exact.post("crm/Accounts", {"Name": "x"}, **{"Content-Type": "application/xml"}).status_code == 415


def test_a_header_and_its_lines_are_numbered(exact):
    line = {"Item": known(exact, "Item"), "Quantity": 1.0}
    body = {"OrderedBy": known(exact, "Account"), "SalesOrderLines": [line, line]}
    order = exact.post("salesorder/SalesOrders", body).json()["d"]
    assert order["OrderNumber"] > 0
    lines = exact.rows(order["SalesOrderLines"]["__deferred"]["uri"])
    assert {row["OrderNumber"] for row in lines} == {order["OrderNumber"]}
    assert sorted(row["LineNumber"] for row in lines) == [1, 2]


def test_a_line_that_can_not_be_stored_takes_its_header_with_it(exact):
    before = exact.get("salesorder/SalesOrders/$count", filter="OrderNumber ge 0").text
    line = {"Item": known(exact, "Item"), "Quantity": 1.0, "ID": "11111111-2222-3333-4444-555555555555"}
    body = {"OrderedBy": known(exact, "Account"), "SalesOrderLines": [line, line]}
    assert exact.post("salesorder/SalesOrders", body).status_code == 500
    assert exact.get("salesorder/SalesOrders/$count", filter="OrderNumber ge 0").text == before
    assert exact.get(f"salesorder/SalesOrderLines(guid'{line['ID']}')").status_code == 404


@pytest.mark.parametrize(("sent", "stored"), [("4711", "4711".rjust(18)), ("  4711", "4711".rjust(18))])
def test_the_code_of_an_account_is_padded_when_it_is_stored(exact, sent, stored):
    made = exact.post("crm/Accounts", {"Name": "Wadloper", "Code": sent}).json()["d"]
    assert made["Code"] == stored
    exact.put(made["__metadata"]["uri"], {"Code": "12"})
    assert exact.get(made["__metadata"]["uri"]).json()["d"]["Code"] == "12".rjust(18)


def test_an_account_without_a_code_gets_one(exact):
    assert len(exact.post("crm/Accounts", {"Name": "Wadloper"}).json()["d"]["Code"]) == 18


def test_lines_have_lines_of_their_own_and_all_go_with_the_header(exact, error_text):
    line = {"SalesOrderLineID": VALUES["Guid"], "QuantityDelivered": 2.0, "SerialNumbers": [{"SerialNumber": "S-1"}]}
    before = exact.get("inventory/StockSerialNumbers/$count").text
    header = {"DeliveryDate": VALUES["DateTime"]}
    wrong = {**header, "GoodsDeliveryLines": [{**line, "SerialNumbers": [{"X": 1}]}]}
    refused = exact.post("salesorder/GoodsDeliveries", wrong)
    assert "'X'" in error_text(refused)
    assert exact.get("inventory/StockSerialNumbers/$count").text == before

    delivery = exact.post("salesorder/GoodsDeliveries", {**header, "GoodsDeliveryLines": [line]}).json()["d"]
    [stored] = exact.rows(delivery["GoodsDeliveryLines"]["__deferred"]["uri"])
    [serial] = exact.rows(stored["SerialNumbers"]["__deferred"]["uri"])
    assert (stored["EntryID"], serial["SerialNumber"]) == (delivery["EntryID"], "S-1")


def test_deleting_a_header_deletes_the_lines_of_its_lines(exact):
    serial = {"SerialNumber": "S-2"}
    line = {"Item": known(exact, "Item"), "GoodDeliveryLineID": VALUES["Guid"], "CreateCredit": 1}
    line |= {"PlannedReturnQuantity": 1.0, "ReceivedQuantity": 1.0, "SerialNumbers": [serial]}
    before = exact.get("inventory/StockSerialNumbers/$count").text
    body = body_for(exact, load()["salesorder/plannedsalesreturns"]) | {"PlannedSalesReturnLines": [line]}
    made = exact.post("salesorder/PlannedSalesReturns", body)
    assert made.status_code == 201, made.text
    assert exact.get("inventory/StockSerialNumbers/$count").text != before
    exact.delete(made.json()["d"]["__metadata"]["uri"])
    assert exact.get("inventory/StockSerialNumbers/$count").text == before
