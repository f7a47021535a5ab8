"""
The fields of the most used records, for editors and type checkers: a wrong name is seen while it is typed.

``data: AccountData = {"Name": "Bakkerij", "Citty": "Assen"}`` is an error that mypy and editors show. At run time each
is a plain dict. Only the fields that can be written are in here, and none is required, since an update needs none.

Written by ``python -m tools.build_reference`` from the catalogue.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any, TypedDict
from uuid import UUID

# Text is always fine: it is what a template renders to.
Guid = str | UUID
Number = float | Decimal | str
Moment = date | str


class TimeTransactionData(TypedDict, total=False):
    """Fields of ``project/TimeTransactions``; a new record needs Item and Quantity."""

    ID: Guid | None
    Account: Guid | None
    Activity: Guid | None
    Amount: Number | None
    Attachment: Guid | None
    Currency: str | None
    Date: Moment | None
    Employee: Guid | None
    EndTime: Moment | None
    EntryNumber: int | str | None
    ErrorText: str | None
    HourStatus: int | str | None
    Item: Guid | None
    Notes: str | None
    Price: Number | None
    Project: Guid | None
    Quantity: Number | None
    SkipValidation: bool | str | None
    StartTime: Moment | None
    Subscription: Guid | None
    SubscriptionAccount: Guid | None


class CostTransactionData(TypedDict, total=False):
    """Fields of ``project/CostTransactions``; a new record needs Item and Quantity."""

    ID: Guid | None
    Account: Guid | None
    Amount: Number | None
    Attachment: Guid | None
    Currency: str | None
    Date: Moment | None
    Employee: Guid | None
    EntryNumber: int | str | None
    ErrorText: str | None
    Expense: Guid | None
    ExpenseDescription: str | None
    HourStatus: int | str | None
    Item: Guid | None
    Notes: str | None
    Price: Number | None
    PriceFC: Number | None
    Project: Guid | None
    Quantity: Number | None
    SkipValidation: bool | str | None
    Subscription: Guid | None
    SubscriptionAccount: Guid | None


class ProjectData(TypedDict, total=False):
    """Fields of ``project/Projects``; a new record needs Code and Description and Type."""

    ID: Guid | None
    Account: Guid | None
    AccountContact: Guid | None
    AllowAdditionalInvoicing: bool | str | None
    AllowMemberEntryOnly: bool | str | None
    BlockEntry: bool | str | None
    BlockInvoicing: bool | str | None
    BlockPlanning: bool | str | None
    BlockPurchasing: bool | str | None
    BlockRebilling: bool | str | None
    BudgetedAmount: Number | None
    BudgetedCosts: Number | None
    BudgetedRevenue: Number | None
    BudgetOverrunHours: int | str | None
    BudgetType: int | str | None
    Classification: Guid | None
    Code: str | None
    CustomerPOnumber: str | None
    Description: str | None
    EnableWorkInProgress: bool | str | None
    EndDate: Moment | None
    FixedPriceItem: Guid | None
    IncludeInvoiceSpecification: int | str | None
    IncludeSpecificationInInvoicePdf: bool | str | None
    InternalNotes: str | None
    InvoiceAddress: Guid | None
    InvoiceDescription: str | None
    IsWBSRequiredForEntry: int | str | None
    Manager: Guid | None
    MarkupPercentage: Number | None
    Notes: str | None
    PaymentCondition: str | None
    PrepaidItem: Guid | None
    PrepaidType: int | str | None
    SalesTimeQuantity: Number | None
    StartDate: Moment | None
    TimeQuantityToAlert: Number | None
    Type: int | str | None
    UseBillingMilestones: bool | str | None


class AccountData(TypedDict, total=False):
    """Fields of ``crm/Accounts``; a new record needs Name."""

    ID: Guid | None
    Accountant: Guid | None
    AccountManager: Guid | None
    ActivitySector: Guid | None
    ActivitySubSector: Guid | None
    AddressLine1: str | None
    AddressLine2: str | None
    AddressLine3: str | None
    AutomaticProcessProposedEntry: int | str | None
    Blocked: bool | str | None
    BSN: str | None
    BusinessType: Guid | None
    CanDropShip: bool | str | None
    ChamberOfCommerce: str | None
    City: str | None
    Classification1: Guid | None
    Classification2: Guid | None
    Classification3: Guid | None
    Classification4: Guid | None
    Classification5: Guid | None
    Classification6: Guid | None
    Classification7: Guid | None
    Classification8: Guid | None
    Code: str | None
    CodeAtSupplier: str | None
    CompanySize: Guid | None
    ConsolidationScenario: int | str | None
    ControlledDate: Moment | None
    Country: str | None
    CreditLinePurchase: Number | None
    CreditLineSales: Number | None
    DatevCreditorCode: str | None
    DatevDebtorCode: str | None
    DeliveryAdvice: int | str | None
    DiscountPurchase: Number | None
    DiscountSales: Number | None
    Email: str | None
    EnableSalesPaymentLink: bool | str | None
    EndDate: Moment | None
    EORINumber: str | None
    EstablishedDate: Moment | None
    Fax: str | None
    GLAccountPurchase: Guid | None
    GLAccountSales: Guid | None
    GLAP: Guid | None
    GLAR: Guid | None
    GlnNumber: str | None
    HasWithholdingTaxSales: bool | str | None
    IgnoreDatevWarningMessage: bool | str | None
    IncotermAddressPurchase: str | None
    IncotermAddressSales: str | None
    IncotermCodePurchase: str | None
    IncotermCodeSales: str | None
    IncotermVersionPurchase: int | str | None
    IncotermVersionSales: int | str | None
    IntraStatArea: str | None
    IntraStatDeliveryTerm: str | None
    IntraStatSystem: str | None
    IntraStatTransactionA: str | None
    IntraStatTransactionB: str | None
    IntraStatTransportMethod: str | None
    InvoiceAccount: Guid | None
    InvoiceAttachmentType: int | str | None
    InvoicingMethod: int | str | None
    IsAccountant: int | str | None
    IsAgency: int | str | None
    IsCompetitor: int | str | None
    IsExtraDuty: bool | str | None
    IsMailing: int | str | None
    IsPilot: bool | str | None
    IsReseller: bool | str | None
    IsSupplier: bool | str | None
    Language: str | None
    Latitude: Number | None
    LeadPurpose: Guid | None
    LeadSource: Guid | None
    Logo: bytes | str | None
    LogoFileName: str | None
    Longitude: Number | None
    MainContact: Guid | None
    Name: str | None
    OINNumber: str | None
    Parent: Guid | None
    PayAsYouEarn: str | None
    PaymentConditionPurchase: str | None
    PaymentConditionSales: str | None
    PeppolIdentifier: str | None
    PeppolIdentifierType: int | str | None
    Phone: str | None
    PhoneExtension: str | None
    Postcode: str | None
    PriceList: Guid | None
    PurchaseCurrency: str | None
    PurchaseLeadDays: int | str | None
    PurchaseVATCode: str | None
    RecepientOfCommissions: bool | str | None
    Remarks: str | None
    Reseller: Guid | None
    RSIN: str | None
    SalesCurrency: str | None
    SalesTaxSchedule: Guid | None
    SalesVATCode: str | None
    SearchCode: str | None
    SecurityLevel: int | str | None
    SeparateInvPerProject: int | str | None
    SeparateInvPerSubscription: int | str | None
    ShippingLeadDays: int | str | None
    ShippingMethod: Guid | None
    ShowRemarkForSales: bool | str | None
    StartDate: Moment | None
    State: str | None
    Status: str | None
    TradeName: str | None
    UniqueTaxpayerReference: str | None
    VATLiability: str | None
    VATNumber: str | None
    Website: str | None


class ContactData(TypedDict, total=False):
    """Fields of ``crm/Contacts``; a new record needs Account and FirstName and LastName."""

    ID: Guid | None
    Account: Guid | None
    BirthDate: Moment | None
    BirthName: str | None
    BirthNamePrefix: str | None
    BirthPlace: str | None
    BusinessEmail: str | None
    BusinessFax: str | None
    BusinessMobile: str | None
    BusinessPhone: str | None
    BusinessPhoneExtension: str | None
    Email: str | None
    EndDate: Moment | None
    FirstName: str | None
    Gender: str | None
    HID: int | str | None
    IdentificationDate: Moment | None
    IdentificationDocument: Guid | None
    IdentificationUser: Guid | None
    Initials: str | None
    IsMailingExcluded: bool | str | None
    JobTitleDescription: str | None
    Language: str | None
    LastName: str | None
    LeadPurpose: Guid | None
    LeadSource: Guid | None
    MarketingNotes: str | None
    MiddleName: str | None
    Mobile: str | None
    Nationality: str | None
    Notes: str | None
    Person: Guid | None
    Phone: str | None
    Picture: bytes | str | None
    PictureName: str | None
    SocialSecurityNumber: str | None
    StartDate: Moment | None
    Title: str | None


class ItemData(TypedDict, total=False):
    """Fields of ``logistics/Items``; a new record needs Code and Description."""

    ID: Guid | None
    AverageCost: Number | None
    Barcode: str | None
    Class_01: str | None
    Class_02: str | None
    Class_03: str | None
    Class_04: str | None
    Class_05: str | None
    Class_06: str | None
    Class_07: str | None
    Class_08: str | None
    Class_09: str | None
    Class_10: str | None
    Code: str | None
    CopyRemarks: int | str | None
    CostPriceCurrency: str | None
    CostPriceNew: Number | None
    CostPriceStandard: Number | None
    Description: str | None
    EndDate: Moment | None
    ExtraDescription: str | None
    FreeBoolField_01: bool | str | None
    FreeBoolField_02: bool | str | None
    FreeBoolField_03: bool | str | None
    FreeBoolField_04: bool | str | None
    FreeBoolField_05: bool | str | None
    FreeDateField_01: Moment | None
    FreeDateField_02: Moment | None
    FreeDateField_03: Moment | None
    FreeDateField_04: Moment | None
    FreeDateField_05: Moment | None
    FreeNumberField_01: Number | None
    FreeNumberField_02: Number | None
    FreeNumberField_03: Number | None
    FreeNumberField_04: Number | None
    FreeNumberField_05: Number | None
    FreeNumberField_06: Number | None
    FreeNumberField_07: Number | None
    FreeNumberField_08: Number | None
    FreeTextField_01: str | None
    FreeTextField_02: str | None
    FreeTextField_03: str | None
    FreeTextField_04: str | None
    FreeTextField_05: str | None
    FreeTextField_06: str | None
    FreeTextField_07: str | None
    FreeTextField_08: str | None
    FreeTextField_09: str | None
    FreeTextField_10: str | None
    GLCosts: Guid | None
    GLCostsWorkInProgress: Guid | None
    GLRevenue: Guid | None
    GLRevenueWorkInProgress: Guid | None
    GLStock: Guid | None
    GrossWeight: Number | None
    IsBatchItem: int | str | None
    IsBatchNumberItem: int | str | None
    IsFractionAllowedItem: bool | str | None
    IsMakeItem: int | str | None
    IsNewContract: int | str | None
    IsOnDemandItem: int | str | None
    IsPackageItem: bool | str | None
    IsPurchaseItem: bool | str | None
    IsRegistrationCodeItem: int | str | None
    IsSalesItem: bool | str | None
    IsSerialItem: bool | str | None
    IsSerialNumberItem: bool | str | None
    IsStockItem: bool | str | None
    IsSubcontractedItem: bool | str | None
    IsTaxableItem: int | str | None
    IsTime: int | str | None
    IsWebshopItem: int | str | None
    ItemGroup: Guid | None
    NetWeight: Number | None
    NetWeightUnit: str | None
    Notes: str | None
    Picture: bytes | str | None
    PictureName: str | None
    SalesVatCode: str | None
    SearchCode: str | None
    SecurityLevel: int | str | None
    StartDate: Moment | None
    Unit: str | None


class SalesInvoiceData(TypedDict, total=False):
    """Fields of ``salesinvoice/SalesInvoices``; a new record needs Journal and OrderedBy and SalesInvoiceLines."""

    InvoiceID: Guid | None
    AmountDiscount: Number | None
    AmountDiscountExclVat: Number | None
    Currency: str | None
    DeliverTo: Guid | None
    DeliverToAddress: Guid | None
    DeliverToContactPerson: Guid | None
    Description: str | None
    Discount: Number | None
    Document: Guid | None
    DueDate: Moment | None
    ExtraDutyAmountFC: Number | None
    GAccountAmountFC: Number | None
    IncotermAddress: str | None
    IncotermCode: str | None
    IncotermVersion: int | str | None
    InvoiceTo: Guid | None
    InvoiceToContactPerson: Guid | None
    IsExtraDuty: bool | str | None
    Journal: str | None
    OrderDate: Moment | None
    OrderedBy: Guid | None
    OrderedByContactPerson: Guid | None
    OrderNumber: int | str | None
    PaymentCondition: str | None
    PaymentReference: str | None
    Remarks: str | None
    SalesChannel: Guid | None
    SalesInvoiceLines: list[SalesInvoiceLineData] | None
    SalesInvoiceOrderChargeLines: list[dict[str, Any]] | None
    Salesperson: Guid | None
    SelectionCode: Guid | None
    ShippingMethod: Guid | None
    TaxSchedule: Guid | None
    Type: int | str | None
    Warehouse: Guid | None
    WithholdingTaxAmountFC: Number | None
    WithholdingTaxBaseAmount: Number | None
    WithholdingTaxPercentage: Number | None
    YourRef: str | None


class SalesInvoiceLineData(TypedDict, total=False):
    """Fields of ``salesinvoice/SalesInvoiceLines``; a new record needs GLAccount and InvoiceID and Item."""

    ID: Guid | None
    AmountFC: Number | None
    CostCenter: str | None
    CostUnit: str | None
    DeliveryDate: Moment | None
    Description: str | None
    Discount: Number | None
    Employee: Guid | None
    EndTime: Moment | None
    ExtraDutyAmountFC: Number | None
    ExtraDutyPercentage: Number | None
    GLAccount: Guid | None
    InvoiceID: Guid | None
    Item: Guid | None
    NetPrice: Number | None
    Notes: str | None
    Pricelist: Guid | None
    Project: Guid | None
    ProjectWBS: Guid | None
    Quantity: Number | None
    StartTime: Moment | None
    TaxSchedule: Guid | None
    UnitCode: str | None
    UnitPrice: Number | None
    VATAmountDC: Number | None
    VATAmountFC: Number | None
    VATCode: str | None
    VATPercentage: Number | None


class SalesOrderData(TypedDict, total=False):
    """Fields of ``salesorder/SalesOrders``; a new record needs OrderedBy and SalesOrderLines."""

    OrderID: Guid | None
    AmountDiscount: Number | None
    AmountDiscountExclVat: Number | None
    ApprovalStatus: int | str | None
    Currency: str | None
    DeliverTo: Guid | None
    DeliverToContactPerson: Guid | None
    DeliveryAddress: Guid | None
    DeliveryDate: Moment | None
    Description: str | None
    Discount: Number | None
    Document: Guid | None
    IncotermAddress: str | None
    IncotermCode: str | None
    IncotermVersion: int | str | None
    InvoiceTo: Guid | None
    InvoiceToContactPerson: Guid | None
    OrderDate: Moment | None
    OrderedBy: Guid | None
    OrderedByContactPerson: Guid | None
    OrderNumber: int | str | None
    PaymentCondition: str | None
    PaymentReference: str | None
    Remarks: str | None
    SalesChannel: Guid | None
    SalesOrderLines: list[SalesOrderLineData] | None
    SalesOrderOrderChargeLines: list[dict[str, Any]] | None
    Salesperson: Guid | None
    SelectionCode: Guid | None
    ShippingMethod: Guid | None
    TaxSchedule: Guid | None
    WarehouseID: Guid | None
    YourRef: str | None


class SalesOrderLineData(TypedDict, total=False):
    """Fields of ``salesorder/SalesOrderLines``; a new record needs Item and OrderID."""

    ID: Guid | None
    AmountFC: Number | None
    CostCenter: str | None
    CostUnit: str | None
    DeliveryDate: Moment | None
    Description: str | None
    Discount: Number | None
    Item: Guid | None
    ItemVersion: Guid | None
    Margin: Number | None
    NetPrice: Number | None
    Notes: str | None
    OrderID: Guid | None
    OrderNumber: int | str | None
    Pricelist: Guid | None
    Project: Guid | None
    Quantity: Number | None
    ShopOrder: Guid | None
    TaxSchedule: Guid | None
    UnitCode: str | None
    UnitPrice: Number | None
    UseDropShipment: int | str | None
    VATAmount: Number | None
    VATCode: str | None
    VATPercentage: Number | None


class GLAccountData(TypedDict, total=False):
    """Fields of ``financial/GLAccounts``; a new record needs Code and Description."""

    ID: Guid | None
    AllowCostsInSales: int | str | None
    AssimilatedVATBox: int | str | None
    BalanceSide: str | None
    BalanceType: str | None
    BelcotaxType: int | str | None
    Code: str | None
    Compress: bool | str | None
    Costcenter: str | None
    Costunit: str | None
    DeductibilityPercentages: list[dict[str, Any]] | None
    Description: str | None
    DescriptionTermID: int | str | None
    ExcludeVATListing: int | str | None
    ExpenseNonDeductiblePercentage: Number | None
    IsBlocked: bool | str | None
    Matching: bool | str | None
    PrivateGLAccount: Guid | None
    PrivatePercentage: Number | None
    ReportingCode: str | None
    RevalueCurrency: bool | str | None
    SearchCode: str | None
    Type: int | str | None
    UseCostcenter: int | str | None
    UseCostunit: int | str | None
    VATCode: str | None
    VATGLAccountType: str | None
    VATNonDeductibleGLAccount: Guid | None
    VATNonDeductiblePercentage: Number | None
    VATSystem: str | None
    YearEndCostGLAccount: Guid | None
    YearEndReflectionGLAccount: Guid | None


class DocumentData(TypedDict, total=False):
    """Fields of ``documents/Documents``; a new record needs Subject and Type."""

    ID: Guid | None
    Account: Guid | None
    AmountFC: Number | None
    Body: str | None
    Category: Guid | None
    CategoryDescription: str | None
    Contact: Guid | None
    ContractID: Guid | None
    CreatorFullName: str | None
    Currency: str | None
    DocumentDate: Moment | None
    DocumentFolder: Guid | None
    ExpiryDate: Moment | None
    FinancialTransactionEntryID: Guid | None
    HID: int | str | None
    InheritShare: bool | str | None
    Item: Guid | None
    Language: str | None
    Opportunity: Guid | None
    Project: Guid | None
    ProposedEntryStatus: int | str | None
    SalesInvoiceNumber: int | str | None
    SalesOrderNumber: int | str | None
    ScanServiceStatus: int | str | None
    ShopOrderNumber: int | str | None
    Subject: str | None
    TeamsMeetingId: str | None
    Type: int | str | None


class DocumentAttachmentData(TypedDict, total=False):
    """Fields of ``documents/DocumentAttachments``; a new record needs Attachment and Document and FileName."""

    ID: Guid | None
    Attachment: bytes | str | None
    Document: Guid | None
    FileName: str | None
