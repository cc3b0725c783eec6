"""`GenerateSecretString` of a secret in a template.

Without this patch: only the properties PasswordLength and ExcludeCharacters are used, so that a
secret with ExcludePunctuation may contain punctuation.

Fix: the other exclusions are used too, with a cryptographic random generator.
"""

import json
import secrets
import string
from typing import Any

from zebros.emulator.patching import module, replace

_KINDS = {
    "ExcludeLowercase": string.ascii_lowercase,
    "ExcludeUppercase": string.ascii_uppercase,
    "ExcludeNumbers": string.digits,
    "ExcludePunctuation": string.punctuation,
}


def apply() -> None:
    """Generate secrets as the template defines them."""
    provisioners = module("services.cloudformation.provisioners")

    def secret(props: dict[str, Any]) -> str:
        options = props.get("GenerateSecretString")
        if not options or props.get("SecretString"):
            return original(props)  # type: ignore[no-any-return]
        password = generate_password(options)
        if not options.get("SecretStringTemplate"):
            return password
        document = json.loads(options["SecretStringTemplate"])
        return json.dumps({**document, options.get("GenerateStringKey", "password"): password})

    original = replace(provisioners, "_sm_secret_string", secret)


def generate_password(options: dict[str, Any]) -> str:
    """A password with at least one character of every kind that is not excluded."""
    without = set(options.get("ExcludeCharacters", ""))
    kinds = [
        [one for one in characters if one not in without]
        for name, characters in _KINDS.items()
        if str(options.get(name, False)).lower() != "true"
    ]
    if str(options.get("IncludeSpace", False)).lower() == "true":
        kinds.append([" "])
    kinds = [kind for kind in kinds if kind]
    length = int(options.get("PasswordLength", 32))
    chosen = [secrets.choice(kind) for kind in kinds[:length]]
    everything = [one for kind in kinds for one in kind]
    chosen += [secrets.choice(everything) for _ in range(length - len(chosen))]
    secrets.SystemRandom().shuffle(chosen)
    return "".join(chosen)
