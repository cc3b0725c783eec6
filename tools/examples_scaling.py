"""Makes the context `scaling` publish each of its events, for tools/examples.py."""


def publish() -> None:
    """Publish them; needs the environment of functions, and a table."""
    _actions()
    _usage()
    _region_moves()


def _actions() -> None:
    from kernel.domain.clock import utc_now
    from kernel.domain.principal import system_request
    from kernel.storage.unit_of_work import UnitOfWork
    from scaling.bootstrap import repository
    from scaling.events import Reason, Setting
    from scaling.model.actions import Refused, ScalingAction
    from scaling.model.decision import Change
    from scaling.model.readings import Target

    target, now = Target(Setting.MEMORY, "CustomersApi"), utc_now()
    why = "api_latency is 310, above 200"
    step = Change(target, "api_latency", 256, 384, 310.0, 82.13, why)
    unit = UnitOfWork(system_request("acme", correlation_id="example"))
    for helps in (True, False):
        begun = repository().save(unit, None, ScalingAction.begin("acme", step, 256, now))
        applied = repository().save(unit, begun, begun.applied(now))
        if helps:
            change = applied.keep("api_latency was 310 and is 140", now)
            repository().save(unit, applied, change)
            continue
        change = applied.roll_back("api_latency was 310 and is 305", now, brought_nothing=True)
        taken = repository().save(unit, applied, change)
        repository().save(unit, taken, taken.rolled_back(now))
    repository().save(unit, None, ScalingAction.propose("acme", step, 256, now))
    ceiling = "memory of CustomersApi is at its ceiling of 1024: move to the next phase"
    refused = Refused(Reason.CEILING, ceiling, target, "api_latency")
    repository().save(unit, None, ScalingAction.refuse("acme", refused, now))


def _usage() -> None:
    from kernel.domain.clock import utc_now
    from kernel.domain.principal import system_request
    from kernel.storage.unit_of_work import UnitOfWork
    from scaling.bootstrap import tenants
    from scaling.events import TierValues
    from scaling.model.tenants import TenantUsage

    small = TierValues(users=18, customers=999, opportunities=85, data_mb=412)
    unit, now = UnitOfWork(system_request("acme", correlation_id="example")), utc_now()
    first = TenantUsage.begin("acme", "umbra", small, now)
    before = tenants().save(unit, None, first._replace(events=()))
    tenants().save(unit, before, before.metered(small.model_copy(update={"customers": 1000}), now))


def _region_moves() -> None:
    from kernel.domain.ids import new_id
    from scaling.bootstrap import region_moves

    move = {"operator": "ann", "target": "us-west-2", "writer": "us-east-1"}
    why = {"reason": "past_epoch", "because": "The fence epoch 2 is from the past: it is 4."}
    region_moves().refuse(new_id(), {**move, "epoch": 2, "current_epoch": 4, **why})
