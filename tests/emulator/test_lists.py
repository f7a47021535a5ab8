from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import pytest
import requests

PATH = "project/TimeTransactions"
ATOM = "{http://www.w3.org/2005/Atom}"
M = "{http://schemas.microsoft.com/ado/2007/08/dataservices/metadata}"
D = "{http://schemas.microsoft.com/ado/2007/08/dataservices}"


def test_a_plain_endpoint_pages_by_60_and_gives_each_record_once(exact):
    rows, pages = exact.every(PATH, select="ID")
    assert len(rows) == 3000
    assert len({row["ID"] for row in rows}) == 3000
    assert pages == 50


def test_sync_and_bulk_page_by_1000(exact):
    rows, pages = exact.every("sync/Project/TimeCostTransactions", filter="Timestamp gt 1L", select="ID")
    assert len(rows) == 3240
    assert pages == 4
    assert len(exact.rows("bulk/Project/ProjectWBS", select="ID")) == 90 * 4 + 2 * 5


def test_the_next_page_keeps_the_other_options_and_the_host_that_was_asked(exact):
    answer = exact.get(PATH, filter="HourStatus eq 20 and Notes ne 'a&b'", select="ID,Notes", orderby="Date desc")
    following = urlsplit(answer.json()["d"]["__next"])
    options = parse_qs(following.query)
    assert f"{following.scheme}://{following.netloc}" == exact.emulator.url
    assert options["$filter"] == ["HourStatus eq 20 and Notes ne 'a&b'"]
    assert options["$select"] == ["ID,Notes"]
    assert options["$orderby"] == ["Date desc"]
    assert "guid'" in options["$skiptoken"][0]
    elsewhere = exact.url(PATH).replace("127.0.0.1", "localhost")
    assert exact.get(elsewhere).json()["d"]["__next"].startswith("http://localhost:")


def test_paging_survives_equal_values_in_the_order(exact):
    rows, _ = exact.every(PATH, select="ID,HourStatus", orderby="HourStatus desc")
    assert len({row["ID"] for row in rows}) == 3000
    statuses = [row["HourStatus"] for row in rows]
    assert statuses == sorted(statuses, reverse=True)


def test_paging_survives_absent_values_in_the_order(exact):
    rows, _ = exact.every("project/Projects", select="ID,EndDate", orderby="EndDate desc,Code")
    assert len({row["ID"] for row in rows}) == 90
    assert rows[-1]["EndDate"] is None


def test_a_record_that_goes_while_paging_leaves_no_gap(exact):
    first = exact.get(PATH, select="ID").json()["d"]
    gone = first["results"][3]["ID"]
    exact.delete(f"{PATH}(guid'{gone}')")
    second = exact.get(first["__next"]).json()["d"]["results"]
    everything, _ = exact.every(PATH, select="ID")
    assert second[0]["ID"] == everything[59]["ID"]


def test_top_gives_a_bare_list_without_a_next_page(exact):
    content = exact.get(PATH, top="5", select="ID").json()
    assert list(content) == ["d"]
    assert [sorted(row) for row in content["d"]] == [["ID", "__metadata"]] * 5


def test_top_gives_no_more_than_a_page(exact):
    assert len(exact.get(PATH, top="500", select="ID").json()["d"]) == 60


def test_only_selected_fields_come_back(exact):
    row = exact.rows(PATH, select="ID,Quantity", top="1")[0]
    assert set(row) == {"__metadata", "ID", "Quantity"}
    assert set(row["__metadata"]) == {"uri", "type"}
    assert exact.get(row["__metadata"]["uri"]).json()["d"]["ID"] == row["ID"]
    assert len(exact.rows(PATH, select="*", top="1")[0]) > 40


def test_counting_comes_as_text(exact):
    content = exact.get(PATH, inlinecount="allpages", filter="HourStatus eq 20", select="ID").json()["d"]
    counted = exact.call("GET", f"{PATH}/$count", query={"filter": "HourStatus eq 20"}, headers={"Accept": "*/*"})
    assert counted.headers["Content-Type"].startswith("text/plain")
    assert content["__count"] == counted.text
    assert 0 < int(counted.text) < 3000


def test_dates_numbers_and_row_versions_have_odatas_forms(exact):
    row = exact.rows("sync/Project/TimeCostTransactions", top="1")[0]
    assert row["Date"].startswith("/Date(")
    assert row["Date"].endswith("00000)/")
    assert isinstance(row["Timestamp"], str)
    assert isinstance(row["Quantity"], float)


def test_lines_are_deferred_until_they_are_expanded(exact):
    order = exact.rows("salesorder/SalesOrders", filter="OrderNumber gt 0", top="1")[0]
    deferred = order["SalesOrderLines"]["__deferred"]["uri"]
    lines = exact.rows(deferred)
    assert {line["OrderID"] for line in lines} == {order["OrderID"]}
    expanded = exact.rows("salesorder/SalesOrders", filter="OrderNumber gt 0", top="1", expand="SalesOrderLines")[0]
    assert expanded["SalesOrderLines"]["results"] == lines
    assert set(expanded["SalesOrderOrderChargeLines"]) == {"__deferred"}


def test_a_selection_can_reach_into_expanded_lines(exact):
    row = exact.rows(
        "salesorder/SalesOrders",
        filter="OrderNumber gt 0",
        top="1",
        expand="SalesOrderLines",
        select="OrderID,SalesOrderLines/Quantity",
    )[0]
    assert set(row) == {"__metadata", "OrderID", "SalesOrderLines"}
    assert set(row["SalesOrderLines"]["results"][0]) == {"__metadata", "Quantity"}


def test_expand_beside_filter_can_be_switched_off(exact):
    query = {"filter": "OrderNumber gt 0", "expand": "SalesOrderLines"}
    assert exact.get("salesorder/SalesOrders", **query).status_code == 200
    exact.emulator.settings(expand_with_filter=False)
    assert exact.get("salesorder/SalesOrders", **query).status_code == 400


@pytest.mark.parametrize(
    ("path", "query", "text"),
    [
        ("crm/Accounts", {}, "This endpoint has mandatory filtering applied."),
        ("crm/Accounts", {"filter": "Remarks eq 'x'"}, "one of the following fields in the url: AccountManager"),
        ("bulk/CRM/Accounts", {"filter": "Code ne ''"}, "Please add a $select or a $top=1"),
        ("bulk/Project/ProjectWBS", {"select": "ID", "filter": "Hours gt 1"}, "not supported: Hours"),
        ("sync/Project/TimeCostTransactions", {"filter": "Quantity gt 1"}, "not supported: Quantity"),
        ("sync/Logistics/Items", {"select": "*"}, "Please add a $select"),
        (PATH, {"filter": ""}, "This $filter parameter is not supported for this resource"),
        (PATH, {"select": "ID,Colour"}, "No property 'Colour'"),
        (PATH, {"select": "id"}, "No property 'id'"),
        (PATH, {"orderby": "Colour"}, "No property 'Colour'"),
        (PATH, {"orderby": "Date down"}, "Error in query syntax"),
        (PATH, {"expand": "Lines"}, "No property 'Lines'"),
        (PATH, {"expand": "Notes"}, "Error in query syntax"),
        (PATH, {"top": "-1"}, "$top"),
        (PATH, {"skip": "some"}, "$skip"),
        (PATH, {"inlinecount": "yes"}, "$inlinecount"),
        (PATH, {"search": "x"}, "'$search' is not supported"),
        (PATH, {"skiptoken": "5"}, "Error in query syntax"),
    ],
)
def test_a_wrong_query_is_a_400_that_says_why(exact, error_text, path, query, text):
    answer = exact.get(path, **query)
    assert answer.status_code == 400
    assert text in error_text(answer)


def test_one_row_of_a_bulk_endpoint_needs_no_selection(exact):
    assert len(exact.rows("bulk/Cashflow/Payments", top="1")) == 1


def test_a_single_record_needs_no_filter_but_takes_a_selection(exact):
    key = exact.rows("crm/Accounts", filter="Name ne ''", select="ID", top="1")[0]["ID"]
    record = exact.get(f"crm/Accounts(guid'{key}')", select="ID,Name").json()["d"]
    assert set(record) == {"__metadata", "ID", "Name"}
    assert exact.get(f"crm/Accounts(guid'{key}')", filter="Name ne ''").status_code == 400


def test_an_account_code_is_padded_and_found_only_with_its_padding(exact):
    code = exact.rows("crm/Accounts", filter="Name ne ''", select="Code", top="1")[0]["Code"]
    assert len(code) == 18
    assert code != code.strip()
    assert len(exact.rows("crm/Accounts", filter=f"Code eq '{code}'", select="ID")) == 1
    assert exact.rows("crm/Accounts", filter=f"Code eq '{code.strip()}'", select="ID") == []


def test_without_a_wish_for_json_the_answer_is_atom(exact):
    answer = exact.call("GET", PATH, query={"top": "2"}, headers={"Accept": "*/*"})
    assert answer.headers["Content-Type"].startswith("application/atom+xml")
    feed = ElementTree.fromstring(answer.content)
    entries = feed.findall(f"{ATOM}entry")
    assert feed.tag == f"{ATOM}feed"
    assert len(entries) == 2
    properties = entries[0].find(f"{ATOM}content/{M}properties")
    assert properties.find(f"{D}Quantity").attrib == {f"{M}type": "Edm.Double"}
    assert properties.find(f"{D}Subscription").attrib[f"{M}null"] == "true"
    assert properties.find(f"{D}Date").text.endswith("T00:00:00")


def test_atom_pages_by_a_link_and_fails_in_xml(exact):
    feed = ElementTree.fromstring(exact.call("GET", PATH, headers={"Accept": "application/atom+xml"}).content)
    link = feed.find(f"{ATOM}link[@rel='next']").attrib["href"]
    following = ElementTree.fromstring(exact.call("GET", link, headers={"Accept": "application/atom+xml"}).content)
    assert len(following.findall(f"{ATOM}entry")) == 60
    wrong = exact.call("GET", PATH, query={"filter": "x"}, headers={"Accept": "*/*"})
    assert wrong.status_code == 400
    assert ElementTree.fromstring(wrong.content).tag == f"{M}error"


def test_atom_counts_and_single_entries(exact):
    counted = exact.call("GET", PATH, query={"inlinecount": "allpages"}, headers={"Accept": "*/*"})
    assert ElementTree.fromstring(counted.content).find(f"{M}count").text == "3000"
    address = exact.rows(PATH, top="1")[0]["__metadata"]["uri"]
    entry = ElementTree.fromstring(exact.call("GET", address, headers={"Accept": "*/*"}).content)
    assert entry.tag == f"{ATOM}entry"


def test_paths_are_found_in_any_letter_case(exact):
    assert exact.get("Project/TIMETRANSACTIONS", top="1").status_code == 200
    assert exact.get("SYNC/project/timecosttransactions", top="1").status_code == 200


@pytest.mark.parametrize("path", ["project/Nothing", "TimeTransactions", "$batch", "project/TimeTransactions/x/y"])
def test_an_unknown_path_is_a_404(exact, path):
    assert exact.get(path).status_code == 404


def test_a_query_option_given_twice_is_refused(exact):
    answer = requests.get(
        exact.url(f"{PATH}?$top=1&$top=2"),
        headers={"Authorization": f"Bearer {exact.tokens['access_token']}", "Accept": "application/json"},
        timeout=60,
    )
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "key", ["guid'1'", "5", "'text'", "ID=5", "guid'00000000-0000-0000-0000-000000000000',5", "Nothing=5", "((", ""]
)
def test_a_key_of_another_form_is_a_400(exact, key):
    assert exact.get(f"{PATH}({key})").status_code == 400
