"""What the values of a column say about the options of its field in a suggested map.

What they do not prove is a comment with CHECK, or is rejected row by row when the file is loaded.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable

from zebros.loading.country_names import country_code
from zebros.loading.currency_signs import currencies_of, currency_named, without_signs
from zebros.loading.header_names import normalised
from zebros.loading.values import DATE_FORMATS, ISO_FORMAT, ORDERS, boolean_word, day_of, fits
from zebros.money import is_currency

_MOST_VALUES = 30
_SYSTEMS = {
    "masterrecordid": "salesforce",
    "isdeleted": "salesforce",
    "marketingcontactstatus": "hubspot",
    "associatedcompanyids": "hubspot",
    "associatedcontactids": "hubspot",
    "companydomainname": "hubspot",
    "amountincompanycurrency": "hubspot",
    "weightedvalue": "pipedrive",
    "phoneticfirstname": "google",
    "givennameyomi": "google",
    "emaildisplayname": "outlook",
    "copperid": "copper",
}
"""The system whose exports have a column with this name."""
_PREFIXES = {
    "(do not modify) ": "dynamics",
    "deal - ": "pipedrive",
    "person - ": "pipedrive",
    "organization - ": "pipedrive",
    "product - ": "pipedrive",
}
_ID_FORMS = {
    "salesforce": re.compile(r"(?:00[1356Q]|01t|701)[A-Za-z0-9]{12}(?:[A-Z0-5]{3})?"),
    "zoho": re.compile(r"zcrm_[0-9]+"),
}
_KINDS = {  # `Former Customer` is former
    "former": "former",
    "ehemalig": "former",
    "prospect": "prospect",
    "potential": "prospect",
    "lead": "prospect",
    "opportunity": "prospect",
    "interessent": "prospect",
    "partner": "partner",
    "reseller": "partner",
    "customer": "customer",
    "kunde": "customer",
    "client": "customer",
}
_SALUTATIONS = frozenset(
    [
        *("mr", "mrs", "ms", "miss", "dr", "prof", "sir", "madam", "mx", "herr", "frau"),
        *("hr", "fr", "m", "mme", "mlle", "monsieur", "madame"),
    ]
)
_PLACEHOLDERS = frozenset(
    [
        *("n/a", "na", "-", "--", "---", "-none-", "none", "null", "(null)", "\\n", "tbd", "?"),
        *("unknown", "[not provided]", "k.a.", "(blank)", "undefined"),
    ]
)
_SLASHES = re.compile(r"[0-9]{1,2}/[0-9]{1,2}/[0-9]{2}")
_TOTALS = re.compile(
    r"(?:grand )?(?:sub)?totals?(?: \(.*\))?|gesamtsumme.*|total général.*", re.IGNORECASE
)


def system_of(header: Iterable[str], ids: Iterable[str]) -> str | None:
    """The other system: by the form of its ids, or by columns that only its exports have."""
    texts = list(ids)
    for name, form in _ID_FORMS.items():
        if texts and all(map(form.fullmatch, texts)):
            return name
    for column in header:
        folded = column.casefold()
        prefix = next((one for one in _PREFIXES if folded.startswith(one)), None)
        if found := _SYSTEMS.get(normalised(column)) or (prefix and _PREFIXES[prefix]):
            return found
    return None


def date_formats(samples: list[str], others: Iterable[list[str]]) -> tuple[list[str], str]:
    """The formats by which samples are dates, none for YYYY-MM-DD alone, and a comment.

    Where a column fits day before month and month before day, `others`, the other columns, decide
    when they prove one of the two; else both remain, and a row with two readings is rejected.
    """
    left, found = list(samples), list[str]()
    while left:
        counts = {one: sum(fits(text, one) for text in left) for one in DATE_FORMATS}
        most = max(counts.values())
        if not most:
            break
        best = _different([one for one in DATE_FORMATS if counts[one] == most], left)
        found += best
        left = [text for text in left if not any(fits(text, one) for one in best)]
    comment = ""
    if len({ORDERS[one] for one in found if one in ORDERS}) > 1:
        own = _orders([samples])
        proved = own or _orders(others)
        if len(proved) == 1:
            (order,) = proved
            found = [one for one in found if ORDERS.get(one, order) == order]
            comment = "" if own else f"CHECK: the {order} first, as in other columns"
    return ([] if found == [ISO_FORMAT] else found), comment


def _different(formats: list[str], samples: list[str]) -> list[str]:
    """The formats without those that read each sample as an earlier one does."""
    readings: dict[tuple[str, ...], str] = {}
    for one in formats:
        readings.setdefault(tuple(day_of(text, one) for text in samples), one)
    return list(readings.values())


def _orders(columns: Iterable[list[str]]) -> set[str]:
    """The orders of day and month that values prove, which are dates in one of them only."""
    proved = set()
    for samples in columns:
        for text in filter(_SLASHES.match, samples):
            if len(orders := {ORDERS[one] for one in ORDERS if fits(text, one)}) == 1:
                proved |= orders
    return proved


def decimal_mark(samples: list[str]) -> str:
    """The decimal mark that the samples prove; empty when they prove none, or none is needed."""
    text = " ".join(samples)
    grouped_by = {
        ",": re.search(r"[0-9],[0-9]{3}(\.|,[0-9]{3})", text) or re.search(r"\.[0-9]{1,2}\b", text),
        ".": re.search(r"[0-9]\.[0-9]{3}(,|\.[0-9]{3})", text) or re.search(r",[0-9]{1,2}\b", text),
    }
    proved = [mark for mark, other in ((".", ","), (",", ".")) if grouped_by[other]]
    needed = any(re.search(r"[.,][0-9]{3}\b", one) for one in samples)
    return proved[0] if needed and len(proved) == 1 else ""


def currency_of(samples: list[str]) -> tuple[str, str]:
    """The currency of amounts by their signs, and a comment that says how sure it is."""
    signs = Counter(sign for text in samples for sign in without_signs(text)[1])
    named = [(sign, currencies_of(sign)) for sign, _ in signs.most_common() if currencies_of(sign)]
    if not named:
        return "USD", "CHECK the currency"
    sign, common = named[0]
    for _, currencies in named:
        common = common & currencies or common
    currency = "USD" if "USD" in common else sorted(common)[0]
    if len(common) > 1:
        return currency, f"CHECK: {sign} is also that of other currencies"
    others = [one for one, currencies in named if currency not in currencies]
    if others:
        return currency, f"CHECK: amounts with {', '.join(others)} are left out"
    return currency, "CHECK: amounts without a sign have it, too"


def currency_column(columns: dict[str, list[str]], money: str) -> str | None:
    """The column with the currency of a money column; `columns` has the values of each."""
    named = {
        name: texts
        for name, texts in columns.items()
        if texts and any(is_currency(one.upper()) or currency_named(one) for one in texts)
    }
    own = [name for name in named if normalised(money) in normalised(name)]
    return min(own or named, key=len, default=None)


def currency_names(samples: list[str]) -> list[tuple[str, str]]:
    """Names and signs in a column of currencies, and their codes."""
    return [(one, code) for one in samples if (code := currency_named(one)) and code != one.upper()]


def countries(samples: list[str]) -> list[tuple[str, str]]:
    """Names of countries and their codes."""
    return [(name, code) for name in samples if (code := country_code(name)) and code != name]


def kinds(samples: list[str]) -> list[tuple[str, str]]:
    """Texts that say what an account is, and its kind."""
    found = []
    for text in samples[:_MOST_VALUES]:
        kind = next((kind for word, kind in _KINDS.items() if word in text.casefold()), None)
        if kind:
            found.append((text, kind))
    return found


def booleans(samples: list[str]) -> list[tuple[str, str]]:
    """Texts that mean yes or no beyond those that are always read."""
    found = []
    for text in samples[:_MOST_VALUES]:
        if (meant := boolean_word(text)) is not None:
            found.append((text, "yes" if meant else "no"))
    return found


def are_salutations(samples: list[str]) -> bool:
    """Whether every text is a form of address rather than a title at work."""
    return bool(samples) and all(
        re.sub(r"[\W_]+", "", text).casefold() in _SALUTATIONS for text in samples
    )


def placeholders(samples: list[str], *, of_names: bool) -> list[str]:
    """Texts that programs and people write into empty cells; words may be somebody's name."""
    found = [text for text in samples if text.casefold() in _PLACEHOLDERS]
    return [text for text in found if not (of_names and text.isalpha())]


def totals(samples: list[str]) -> list[str]:
    """Texts by which reports mark a row of sums."""
    return [text for text in samples if _TOTALS.fullmatch(text)]


def quoted(text: str) -> str:
    """A text in TOML; JSON strings are such texts, except for one character."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def table_of(pairs: Iterable[tuple[str, str]]) -> str:
    """An inline table."""
    return f"{{ {', '.join(f'{quoted(text)} = {quoted(other)}' for text, other in pairs)} }}"
