"""What the columns of exports are usually called, by field.

Names are compared without case, spaces and punctuation, and without the prefix of the record
(`Deal - Title`).
"""

import re
from difflib import get_close_matches

from zebros.loading.record_types import RecordType

_ANY = {
    "owner_id": "owner ownerid recordowner contactowner companyowner dealowner accountowner",
    "tags": "tags labels label",
}
_IDS = (
    "id recordid externalid uuid accountid18 contactid dealid opportunityid accountid companyid "
    "personid organizationid productid"
)
_NAMES: dict[str, dict[str, str]] = {
    "accounts": {
        "name": "name accountname companyname organization company organisation firma",
        "kind": "kind type lifecyclestage relationship",
        "sector": "sector industry branch",
        "country": "country countryregion billingcountry addresscountry companycountry",
        "region": "region territory",
        "website": "website url web domain companydomainname homepage",
        "phone": "phone phonenumber telephone tel mainphone",
        "employees": "employees numberofemployees staff headcount",
        "annual_revenue": "annualrevenue revenue turnover",
        "founded_year": "foundedyear yearfounded founded",
        "parent_account_id": "parentaccountid parentid parentaccount",
    },
    "contacts": {
        "first_name": "firstname givenname vorname prenom forename",
        "last_name": "lastname surname familyname nachname nom",
        "emails": "emails email emailaddress mail email1value email2value email3value workemail",
        "phones": (
            "phones phone phonenumber mobilephone mobile mobilephonenumber telephone tel "
            "phone1value phone2value phone3value workphone homephone"
        ),
        "title": "title jobtitle position organizationtitle",
        "account_id": (
            "accountid associatedcompanyids associatedcompanyid primaryassociatedcompanyid "
            "organizationid companyid"
        ),
        "account_name": "associatedcompany organizationname company accountname organization",
    },
    "products": {
        "name": "name productname product",
        "code": "code productcode sku",
        "family": "family productfamily series category",
        "price": "price unitprice listprice salesprice amount",
        "active": "active isactive",
    },
    "opportunities": {
        "name": "name title opportunityname dealname dealtitle",
        "account_id": "accountid organizationid companyid associatedcompanyids",
        "account_name": "organization accountname company associatedcompany",
        "amount": "amount value dealvalue",
        "currency": "currency currencyofvalue currencyisocode dealcurrency",
        "stage": "stage stagename dealstage",
        "status": "status",
        "opened_on": "openedon createddate dealcreated createdate created addtime",
        "expected_close_on": "expectedcloseon closedate expectedclosedate",
        "closed_on": "closedon dealclosedon",
        "lost_reason": "lostreason closedlostreason reasonlost",
        "description": "description notes",
        "region": "region territory",
    },
}
_MOST_DIFFERENT = 0.8


def normalised(header: str) -> str:
    """`Deal - Title` as `title`, `Phone 1 - Value` as `phone1value`."""
    text = re.sub(r"^(deal|person|organi[sz]ation|lead|activity) - ", "", header.casefold())
    return re.sub(r"[\W_]+", "", text)


def field_of(header: str, record_type: RecordType) -> str | None:
    """The field that a column with this name usually contains.

    Also `external_ids` for an id, and for what is no field of its own: `account_name`, `currency`
    and `status`.
    """
    name = normalised(header)
    for field, names in {**_NAMES.get(record_type.name, {}), **_ANY}.items():
        if name in names.split() or name == normalised(field):
            return field
    return "external_ids" if name in _IDS.split() else None


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
