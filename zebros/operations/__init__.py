"""Operating the events of a deployed CRM: trace, tail, replay, redrive and resend."""
