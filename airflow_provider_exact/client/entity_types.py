"""The kinds of records whose deletion ``sync/Deleted`` tells, and the number that it gives each."""

from __future__ import annotations

# By the name of their sync endpoint, counted from 1; "-" stands for numbers whose meaning is not known.
_KINDS = """
TransactionLines Accounts Addresses DocumentAttachments Contacts Documents GLAccounts SalesItemPrices Items
PaymentTerms Quotations SalesOrders SalesInvoices TimeCostTransactions StockPositions GoodsDeliveries
GoodsDeliveryLines GLClassifications ItemWarehouses StorageLocationStockPositions Projects PurchaseOrders
Subscriptions SubscriptionLines ProjectWBS ProjectPlanning LeaveAbsenceHoursByDay SerialBatchNumbers
StockSerialBatchNumbers SupplierItem SalesPriceListVolumeDiscounts SalesOrderHeaders SalesOrderLines
QuotationHeaders QuotationLines ShopOrders ShopOrderMaterialPlans ShopOrderRoutingStepPlans Schedules
ScheduleEntries ItemStorageLocations Employees Employments EmploymentContracts EmploymentOrganizations
EmploymentCLAs EmploymentSalaries BankAccounts EmploymentTaxAuthoritiesGeneral ShopOrderPurchasePlanning
ShopOrderSubOrders - - BillOfMaterialMaterials BillOfMaterialVersions
"""
ENTITY_TYPES = {name.casefold(): number for number, name in enumerate(_KINDS.split(), start=1) if name != "-"}
