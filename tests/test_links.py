"""Links into Exact's reference: names of pages as Exact's own index spells them."""

import pytest

from airflow_provider_exact import links
from airflow_provider_exact.client import catalogue
from airflow_provider_exact.links import ExactOnlineReferenceLink, reference_url
from airflow_provider_exact.operators.records import ExactOnlineGetOperator
from airflow_provider_exact.operators.time_transactions import ExactOnlineUpdateTimeTransactionOperator

KEY = "3f2504e0-4f89-11d3-9a0c-0305e82c3301"


@pytest.mark.parametrize(
    ("endpoint", "page"),
    [
        ("project/TimeTransactions", "ProjectTimeTransactions"),
        ("crm/Accounts", "CRMAccounts"),
        ("CRM/accounts", "CRMAccounts"),
        ("hrm/Divisions", "HRMDivisions"),
        ("vat/VATCodes", "VATVATCodes"),
        ("sync/CRM/Accounts", "SyncCRMAccounts"),
        ("sync/Deleted", "SyncDeleted"),
        ("bulk/SalesOrder/GoodsDeliveryLines", "BulkSalesOrderGoodsDeliveryLines"),
        ("read/project/RecentHours", "ReadProjectRecentHours"),
        ("read/crm/AccountDocuments", "ReadCRMAccountDocuments"),
        ("read/sync/Sync/SyncTimestamp", "ReadSyncSyncSyncTimestamp"),
        ("openingbalance/CurrentYear/AfterEntry", "OpeningBalanceCurrentYearAfterEntry"),
        ("generaljournalentry/GeneralJournalEntries", "GeneralJournalEntryGeneralJournalEntries"),
        ("financialtransaction/BankEntries", "FinancialTransactionBankEntries"),
        ("beta/payroll/PayrollComponents", "PayrollPayrollComponents"),
        ("current/Me", "SystemSystemMe"),
        ("system/Divisions", "SystemSystemDivisions"),
        ("users/UserHasRights", "UsersUserHasRights"),
        ("webhooks/WebhookSubscriptions", "WebhooksWebhookSubscriptions"),
    ],
)
def test_a_page_is_named_for_its_service_and_endpoint(endpoint, page):
    assert reference_url(endpoint) == (f"https://start.exactonline.nl/docs/HlpRestAPIResourcesDetails.aspx?name={page}")


@pytest.mark.parametrize("endpoint", ["project/NewThings", "users/Users", "{{ params.endpoint }}", "", None, 7])
def test_an_endpoint_without_a_page_links_to_the_overview(endpoint):
    assert reference_url(endpoint) == links.OVERVIEW


def test_each_listed_endpoint_has_a_page_of_its_own():
    listed = [endpoint.path for endpoint in catalogue.load().values() if endpoint.is_listed]
    pages = {reference_url(path) for path in listed}
    assert len(pages) == len(listed)
    assert links.OVERVIEW not in pages


def test_every_operator_shows_the_link_of_the_endpoint_it_was_run_with():
    get = ExactOnlineGetOperator(task_id="get", endpoint="{{ params.endpoint }}", primary_key=KEY)
    [link] = get.operator_extra_links
    get.render_template_fields({"params": {"endpoint": "crm/Contacts"}})
    assert link.get_link(get, ti_key=None).endswith("?name=CRMContacts")
    update = ExactOnlineUpdateTimeTransactionOperator(task_id="u", time_transaction_id=KEY, notes="x")
    [link] = update.operator_extra_links
    assert isinstance(link, ExactOnlineReferenceLink)
    assert link.get_link(update, ti_key=None).endswith("?name=ProjectTimeTransactions")
