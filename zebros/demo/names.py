"""Names and texts of the demo company; none is copied from a data set."""


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FIRST_WORDS = _words(
    "Alder Amber Anchor Ardent Aspen Basalt Beacon Birch Blue Brass Bramble Calder Cedar "
    "Cinder Clover Cobalt Copper Coral Crest Dapple Delta Ember Fallow Fathom Fern Flint "
    "Gable Garnet Granite Harbor Hazel Heron Indigo Juniper Kestrel Lantern Larch Linden "
    "Lumen Maple Marble Meridian Mistral Northway Ochre Onyx Orchard Otter Pebble Pine Quarry "
    "Quill Raven Ridge Rowan Sable Saffron Sorrel Sparrow Summit Tamarind Teal Thistle Timber "
    "Umber Vale Walnut Willow Wren Zephyr"
)

SECTORS: dict[str, tuple[str, ...]] = {
    "manufacturing": ("Foundry", "Castings", "Tooling", "Bearings", "Ceramics", "Plastics"),
    "logistics": ("Freight", "Haulage", "Shipping", "Warehousing", "Couriers"),
    "food": ("Dairy", "Bakeries", "Breweries", "Mills", "Provisions"),
    "energy": ("Power", "Turbines", "Solar", "Heat & Light"),
    "healthcare": ("Clinics", "Diagnostics", "Pharmacy", "Hospitals"),
    "construction": ("Builders", "Concrete", "Glazing", "Surveyors"),
    "retail": ("Stores", "Outfitters", "Hardware", "Markets"),
    "technology": ("Systems", "Robotics", "Optics", "Networks"),
}
"""Second words of company names, by sector."""

COUNTRIES: dict[str, tuple[str, ...]] = {
    "Americas": ("US", "US", "US", "CA", "MX", "BR"),
    "Europe": ("DE", "GB", "FR", "NL", "SE", "ES"),
    "Asia Pacific": ("JP", "AU", "SG", "KR", "IN"),
}
"""Countries of accounts by region; one that is listed twice is twice as frequent."""

GIVEN_NAMES = _words(
    "Ada Aiko Alva Amir Anouk Arlo Astrid Bela Bruno Carla Cyrus Dalia Dario Edda Elias Elin "
    "Emre Farah Felix Freya Gael Hana Hugo Ilse Imani Ivo Jada Joris Kaja Keiko Lars Leila "
    "Lior Luca Mads Malia Mina Nadia Nils Odile Omar Petra Quinn Rafi Rosa Samir Selma Tariq "
    "Tessa Uma Viggo Wanda Yara Zane"
)

FAMILY_NAMES = _words(
    "Abernathy Almeida Arendt Bellweather Bjornstad Castellanos Chowdhury Dunmore Eriksen "
    "Fairbanks Fontaine Gallagher Hashimoto Holloway Ibrahim Jankowski Karlsen Kobayashi "
    "Lindgren Lockhart Mancini Mbeki Nakamura Novak Okonkwo Ostrowski Pemberton Quintero "
    "Rasmussen Rousseau Sandoval Sutherland Takahashi Thornbury Ueda Valentine Vasquez "
    "Westergaard Winterbourne Yilmaz Zielinski"
)

TITLES = (
    "Head of Operations",
    "Plant Manager",
    "Purchasing Manager",
    "Chief Engineer",
    "Maintenance Lead",
    "Finance Director",
    "Quality Manager",
    "Managing Director",
)

LOST_REASONS = (
    ("Price", 30),
    ("Went with a competitor", 25),
    ("No budget this year", 18),
    ("No decision", 15),
    ("Missing a feature", 8),
    ("Contact left the company", 4),
)
"""Reasons of lost opportunities, with their weights."""

TASKS = (
    "Send the revised offer to {account}",
    "Call {contact} about the pilot",
    "Prepare the site visit at {account}",
    "Agree the delivery date with {contact}",
    "Send {contact} the reference list",
    "Check the credit limit of {account}",
    "Walk {contact} through the contract",
    "Ask {contact} who signs",
)
"""Titles of tasks, with the account and the contact of their opportunity."""
