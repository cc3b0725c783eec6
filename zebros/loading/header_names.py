"""What the columns of exports are usually called, by field.

Names are compared without case, spaces and punctuation, and without the prefix of the record
(`Deal - Title`).
"""

import re
from difflib import get_close_matches

from zebros.loading.record_types import FieldType, RecordType

_ANY = {
    "owner_id": (
        "owner ownerid recordowner contactowner companyowner dealowner accountowner "
        "opportunityowner leadowner salesowner eigentümer besitzer"
    ),
    "tags": "tags labels label tag categories kategorien groupmembership",
}
_IDS = "id recordid externalid uuid guid"
_OWN_IDS = {
    "accounts": (
        "accountid18 accountid companyid organizationid organisationid customerid customernumber "
        "kundennummer account"
    ),
    "contacts": "contactid personid leadid copperid contact lead",
    "people": "userid personid sub",
    "products": "productid product",
    "opportunities": "dealid opportunityid opportunity",
}
"""Names of ids by the record that they identify; in another file they are references. Those
without `id` are what Dynamics calls them: `(Do Not Modify) Account`."""
_NOT_MODIFIED = "(do not modify) "
_NAMES: dict[str, dict[str, str]] = {
    "accounts": {
        "name": (
            "name accountname companyname organizationname organization company organisation "
            "organisationname firma firmenname unternehmen displayname leadname"
        ),
        "kind": "kind type accounttype relationshiptype lifecyclestage relationship",
        "sector": "sector industry branch branche",
        "country": (
            "country countryregion billingcountry addresscountry address1countryregion "
            "countryofaddress companycountry land shippingcountry"
        ),
        "region": "region territory",
        "website": (
            "website websiteurl url web webpage webseite homepage domain companydomainname "
            "domainname"
        ),
        "phone": "phone phonenumber telephone tel mainphone telefon telefonnummer",
        "employees": (
            "employees numberofemployees noofemployees employeecount staff headcount mitarbeiter "
            "anzahlmitarbeiter mitarbeiterzahl"
        ),
        "annual_revenue": "annualrevenue revenue turnover umsatz jahresumsatz",
        "founded_year": "foundedyear yearfounded founded",
        "parent_account_id": "parentaccountid parentid",
        "parent_account_name": "parentaccount parentcompany parent",
    },
    "contacts": {
        "first_name": "firstname givenname vorname prenom prénom forename",
        "last_name": "lastname surname familyname nachname nom",
        "full_name": "name fullname displayname contactname personname",
        "title": "jobtitle position organizationtitle organization1title title",
        "account_id": (
            "accountid associatedcompanyids associatedcompanyid primaryassociatedcompanyid "
            "organizationid organisationid companyid accountnameid accountids"
        ),
        "account_name": (
            "associatedcompany organizationname organization1name company companyname accountname "
            "organization organisation firma unternehmen accounts"
        ),
    },
    "people": {
        "name": "name fullname displayname username personname",
        "active": "active isactive enabled useractive aktiv",
        "team_id": "teamid team",
    },
    "products": {
        "name": "name productname product produktname",
        "code": "code productcode sku produktcode artikelnummer",
        "family": "family productfamily series category kategorie",
        "price": "price unitprice listprice salesprice amount preis einzelpreis",
        "active": "active isactive productactive aktiv",
    },
    "opportunities": {
        "name": "name title opportunityname dealname dealtitle topic titel thema",
        "account_id": (
            "accountid organizationid organisationid companyid associatedcompanyids accountnameid"
        ),
        "account_name": (
            "organization accountname company associatedcompany organisation potentialcustomer "
            "account firma unternehmen linkedorganisation linkedorganization"
        ),
        "contact_id": (
            "contactid personid associatedcontactids contactnameid primarycontactid contactpersonid"
        ),
        "amount": "amount value dealvalue estrevenue estimatedrevenue bidamount wert betrag",
        "stage": "stage stagename dealstage pipelinestage salesstage currentstage phase",
        "status": "status dealstatus opportunitystate opportunitystatus",
        "opened_on": (
            "openedon createddate dealcreated createdate created addtime createdtime createdon "
            "createdat dealerstellt erstelltam erstelldatum"
        ),
        "expected_close_on": (
            "expectedcloseon closedate expectedclosedate closingdate estclosedate "
            "estimatedclosedate forecastclosedate voraussichtlichesabschlussdatum "
            "erwartetesabschlussdatum schlusstermin"
        ),
        "closed_on": (
            "closedon dealclosedon actualclosedate closedat closeddate dealabgeschlossenam"
        ),
        "lost_reason": (
            "lostreason closedlostreason reasonlost reasonforloss lossreason verlustgrund "
            "grundfürverlust grunddesverlusts"
        ),
        "description": "description notes beschreibung notizen",
        "region": "region territory",
    },
}
_PLACES = "(?:work|home|other|personal|private|business|office|direct|geschäftlich|privat|firma)"
_PATTERNS = {
    "emails": re.compile(
        rf"emails|(?:{_PLACES}|primary|secondary)?e?mail{_PLACES}?[0-9]?(?:value|address|adresse)?"
    ),
    "phones": re.compile(
        rf"phones|(?:{_PLACES}|primary|secondary|companymain|main|car|mobile|cell)?"
        rf"(?:tele)?phone(?:number)?(?:{_PLACES}|mobile)?[0-9]?(?:value)?|"
        rf"mobile|cell|handy|tel|mobil(?:telefon|nummer)?|telefon(?:nummer)?{_PLACES}?[0-9]?|"
        r"mobilephone(?:number|[0-9])?"
    ),
}
"""Of contacts, whose files have a column for each kind of address and number."""
_CURRENCY = re.compile("currency|währung|devise|moneda|valuta")
_MOST_DIFFERENT = 0.8


def normalised(header: str) -> str:
    """`Deal - Title` as `title`, `Phone 1 - Value` as `phone1value`."""
    text = header.casefold().removeprefix(_NOT_MODIFIED)
    text = re.sub(r"^(deal|person|organi[sz]ation|lead|activity|product) - ", "", text)
    return re.sub(r"[\W_]+", "", text)


def field_of(header: str, record_type: RecordType) -> str | None:
    """The field that a column with this name usually contains.

    Also `external_ids` for an id, and for what is no field of its own: `account_name`,
    `full_name`, `parent_account_name`, `currency` and `status`.
    """
    name = normalised(header)
    if name in _IDS.split() or name.startswith("recordid") or _is_own_id(header, name, record_type):
        return "external_ids"
    for field, names in {**_NAMES.get(record_type.name, {}), **_ANY}.items():
        if name in names.split() or name == normalised(field):
            return field
    if record_type.name == "contacts":
        for field, pattern in _PATTERNS.items():
            if pattern.fullmatch(name):
                return field
    return "currency" if _CURRENCY.search(name) and _has_money(record_type) else None


def _is_own_id(header: str, name: str, record_type: RecordType) -> bool:
    if name not in _OWN_IDS.get(record_type.name, "").split():
        return False
    return name.endswith(("id", "id18", "number", "nummer")) or header.casefold().startswith(
        _NOT_MODIFIED
    )


def _has_money(record_type: RecordType) -> bool:
    return FieldType.MONEY in record_type.fields.values()


def rank(header: str, field: str, record_type: RecordType) -> int:
    """The place of a column among those of a field: the lower, the more telling its name."""
    names = {**_NAMES.get(record_type.name, {}), **_ANY}.get(field, "").split()
    name = normalised(header)
    return names.index(name) if name in names else len(names)


def suggestion(header: str, record_type: RecordType) -> str | None:
    """The field that somebody may have meant by a name; None rather than a misleading one."""
    usual = field_of(header, record_type)
    if usual == "external_ids":
        return "external_ids.<system>"
    if usual is not None and record_type.type_of(usual) is not None:
        return usual
    known = {normalised(name): name for name in record_type.fields}
    known |= {normalised(name): f"{name}.<name>" for name in record_type.named_fields}
    close = get_close_matches(normalised(header), known, n=1, cutoff=_MOST_DIFFERENT)
    return known[close[0]] if close else None
