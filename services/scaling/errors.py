"""The problem types of this context."""

from kernel.domain.errors import Conflict


class WrongScalingPolicy(Conflict):
    """The scaling policy, or what is deployed for it, contradicts itself; nothing is scaled."""

    title, slug = "Wrong scaling policy", "wrong-scaling-policy"
    advice = "`detail` names the place and says what would be right; correct and deploy it."
