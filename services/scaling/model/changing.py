"""What an adapter of a setting says when it cannot change it."""


class SettingChanged(Exception):
    """The setting is neither what it was before nor what it is to be: somebody else changed it.

    The text is one sentence for people.
    """


class SettingBusy(Exception):
    """The resource is being changed; the same change may be made in a minute."""
