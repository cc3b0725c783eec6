"""Countries by their ISO 3166-1 alpha-2 codes (https://www.iso.org/iso-3166-country-codes.html)."""

from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

_ASSIGNED = (
    "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR "
    "BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ "
    "EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW "
    "GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY "
    "KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV "
    "MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY "
    "QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG "
    "TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM "
    "ZW"
)
CODES = frozenset(_ASSIGNED.split())
"""The officially assigned codes."""


def _assigned(code: str) -> str:
    if code in CODES:
        return code
    hint = " (write it in capitals)" if code.upper() in CODES else ""
    raise PydanticCustomError(
        "country_code",
        "{given} is not an ISO 3166 alpha-2 country code such as US, DE or JP{hint}",
        {"given": repr(code[:20]), "hint": hint},
    )


Country = Annotated[
    str,
    AfterValidator(_assigned),
    # Requests accept today's codes; events may also carry codes that ISO 3166 adds later.
    WithJsonSchema({"type": "string", "enum": sorted(CODES)}, mode="validation"),
    WithJsonSchema({"type": "string", "pattern": "^[A-Z]{2}$"}, mode="serialization"),
]
"""An assigned ISO 3166-1 alpha-2 code."""
