"""`GenerateSecretString` of a secret in a template.

Stock fault: of the properties only PasswordLength and ExcludeCharacters are read; a secret that
should have no punctuation has some.

Mended: the other exclusions too, with a generator that is meant for secrets.
"""

import json
import secrets
import string
from typing import Any

from zebros.emulator.seams import module, replace

_KINDS = {
    "ExcludeLowercase": string.ascii_lowercase,
    "ExcludeUppercase": string.ascii_uppercase,
    "ExcludeNumbers": string.digits,
    "ExcludePunctuation": string.punctuation,
}


def apply() -> None:
    """Generate secrets as the template asks."""
    provisioners = module("services.cloudformation.provisioners")

    def secret(props: dict[str, Any]) -> str:
        wanted = props.get("GenerateSecretString")
        if not wanted or props.get("SecretString"):
            return stock(props)  # type: ignore[no-any-return]
        password = generated(wanted)
        if not wanted.get("SecretStringTemplate"):
            return password
        document = json.loads(wanted["SecretStringTemplate"])
        return json.dumps({**document, wanted.get("GenerateStringKey", "password"): password})

    stock = replace(provisioners, "_sm_secret_string", secret)


def generated(wanted: dict[str, Any]) -> str:
    """A password with one character of every kind that is not excluded, at least."""
    without = set(wanted.get("ExcludeCharacters", ""))
    kinds = [
        [one for one in characters if one not in without]
        for name, characters in _KINDS.items()
        if str(wanted.get(name, False)).lower() != "true"
    ]
    if str(wanted.get("IncludeSpace", False)).lower() == "true":
        kinds.append([" "])
    kinds = [kind for kind in kinds if kind]
    length = int(wanted.get("PasswordLength", 32))
    chosen = [secrets.choice(kind) for kind in kinds[:length]]
    everything = [one for kind in kinds for one in kind]
    chosen += [secrets.choice(everything) for _ in range(length - len(chosen))]
    secrets.SystemRandom().shuffle(chosen)
    return "".join(chosen)
