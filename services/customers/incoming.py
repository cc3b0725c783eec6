"""What this context consumes: sign-ins from the authorizer; no events of other contexts."""

from pydantic import BaseModel, ConfigDict


class SignIn(BaseModel):
    """The data of a sign-in: what a verified token says about its user."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str = ""
    team_id: str = ""
