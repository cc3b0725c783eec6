"""JSON as tables keep it: compressed against a dictionary of the words our records share.

A deal of 700 bytes of JSON is mostly names of fields; packed it takes 200. So fifty deals are read
for 2 units and not 6, and an event rarely makes its commit dearer (docs/adr/0008). The format is
DEFLATE with a preset dictionary (RFC 1951), after one byte: the dictionary's number.
"""

import zlib

_FIRST = (
    # The rarest words first: what is near the end costs the fewest bits to point at.
    '"reason":"missing_sequence":"waiting_sequence":"waiting_event_id":"projection":"timeline'
    '"code":"unit_price":"active":true,"active":false,"stages":[{"key":"kind":"won"},{"key":"lost"}]'
    '"website":"https://www."phone":"+1"linkedin":"parent_id":"kind":"prospect","kind":"customer",'
    '"kind":"partner","employees":"annual_revenue":{"minor_units":"founded_year":19"founded_year":20'
    '"address":{"street":"postal_code":"city":"state":"country":"US","sector":"retail","software'
    '"finance"medical"technology"marketing"services"entertainment"telecommunications"employment'
    '"first_name":"last_name":"emails":["@example.com"],"phones":["+44"],"title":"consent":'
    '{"email":true,"phone":false},"report":"pipeline_by_stage","report":"sales_performance",'
    '"report":"win_rate","by":"owner","by":"team","by":"region","by":"product","by":"month",'
    '"from":"2026-01-01","to":"2026-12-31","format":"json","format":"csv","format":"xlsx",'
    '"format":"pdf","status":"PENDING","status":"PROCESSING","status":"FAILED","status":"CANCELLED"'
    '"status":"COMPLETED","attempts":1,"started_at":"ended_at":"outcome":{"file_name":"-by-owner.pdf'
    '","media_type":"application/pdf","application/vnd.openxmlformats-officedocument.spreadsheetml.'
    'sheet","text/csv","size_bytes":"sha256":"rows":"totals":[{"currency":"USD","won":"revenue":'
    '"average_deal":"lost":"open":"open_amount":"position":{"events":"last_time":"last_id":'
    '"kind":"task_assigned","kind":"report_completed","kind":"opportunity_won","text":"Won: '
    '"about":{"type":"account","id":"about":{"type":"opportunity","id":"event_id":"01M"read_at":"'
    '"assignee_id":"due_on":"status":"not_started","status":"completed","completed_at":"completed_by'
    # A timeline's entry.
    '{"at":"Z","type":"AccountCreated"AccountUpdated"Archived"Restored"ContactCreated"ContactUpdated'
    '"TaskAssigned"TaskCompleted"TaskReopened"ReportRequested"ReportStarted"ReportCompleted'
    '"NotificationSent"NotificationRead"OpportunityReassigned"OpportunityReopened'
    '"OpportunityUpdated"OpportunityAmountChanged"OpportunityStageChanged"OpportunityCreated'
    '"OpportunityLost"OpportunityWon","text":"Created: "text":"Changed: "text":"Stage of : Lead → '
    'Qualified → Proposal → Negotiation","actor":"system","actor":"","subject":"account/01'
    '"subject":"contact/01"subject":"task/01"subject":"opportunity/01M","sequence":1,"event_id":"01M'
    '","correlation_id":"01M"'
    # An envelope.
    '{"specversion":"1.0","id":"01M","source":"zebros.customers","source":"zebros.activities",'
    '"source":"zebros.reporting","source":"zebros.notifications","source":"zebros.opportunities",'
    '"type":"Opportunity","subject":"opportunity/01M","time":"2026-","datacontenttype":'
    '"application/json","dataschema":"urn:zebros:schema:customers/Account.v1","dataschema":'
    '"urn:zebros:schema:opportunities/Opportunity.v1","tenantid":"","sequence":"1","sequencetype":'
    '"Integer","correlationid":"01M","actor":"","origin":"api","origin":"import","data":{"current":'
    '"previous":{"changed":["previous_amount":{"from_stage":"to_stage":"seconds_in_stage":'
    '"causationid":"01M'
    # A record, and above all a deal.
    '"custom_fields":{"tags":["],"lost_reason":"region":"North"East"West"South"Central",'
    '"stage":"negotiation","stage_name":"Negotiation","status":"open","probability":75,'
    '"forecast_category":"commit","stage":"proposal","stage_name":"Proposal","status":"open",'
    '"probability":50,"forecast_category":"best_case","stage":"qualified","stage_name":"Qualified",'
    '"status":"open","probability":25,"forecast_category":"pipeline","stage":"lead","stage_name":'
    '"Lead","status":"open","probability":10,"forecast_category":"pipeline","stage":"lost",'
    '"stage_name":"Lost","status":"lost","probability":0,"forecast_category":"omitted","closed_on":'
    '"2026-","currency":"GBP"},"currency":"EUR"},"name":" Ltd GmbH Inc Corp","external_ids":{"'
    '{"owner_id":"","team_id":"","external_ids":{"sales":""},"name":" - ","account_id":"01M",'
    '"product_id":"01M","amount":{"minor_units":00,"currency":"USD"},"expected_close_on":"2026-0",'
    '"opened_on":"2026-0","region":"Central","id":"01M","version":1,"created_at":"2026-01-000Z",'
    '"created_by":"","updated_at":"2026-01-000Z","updated_by":"","tenant_id":"","sequence":2,'
    '"pipeline_id":"default","stage":"won","stage_name":"Won","status":"won","probability":100,'
    '"forecast_category":"closed","stage_entered_at":"2026-01-000Z","closed_on":"2026-0"}'
).encode()

_DICTIONARIES = (_FIRST,)
"""By number. What was packed with one needs it for good: never edit one, add a better one."""
_CURRENT = len(_DICTIONARIES) - 1
_RAW = -13
"""DEFLATE without zlib's header and checksum (DynamoDB has one), in a window of 8 KB, which holds
dictionary and record: to make the default one of 32 KB takes longer than to pack."""
_MEMORY = 6


def pack(text: str) -> bytes:
    """JSON text as a binary attribute keeps it."""
    packer = zlib.compressobj(wbits=_RAW, memLevel=_MEMORY, zdict=_DICTIONARIES[_CURRENT])
    return bytes((_CURRENT,)) + packer.compress(text.encode()) + packer.flush()


def unpack(packed: bytes) -> str:
    """The text of a packed attribute. Raises ValueError when it is none."""
    try:
        unpacker = zlib.decompressobj(wbits=_RAW, zdict=_DICTIONARIES[packed[0]])
        text = unpacker.decompress(packed[1:])
    except (zlib.error, IndexError) as fault:
        raise ValueError(f"not packed text, or by a dictionary unknown here: {fault!r}") from fault
    if not unpacker.eof:
        raise ValueError("not packed text: its end is missing")
    return text.decode()
