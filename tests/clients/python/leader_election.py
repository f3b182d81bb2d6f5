"""The package's own leader election: one leads, and the next when the first stops renewing."""

import threading

from kubernetes import client
from kubernetes.leaderelection.electionconfig import Config
from kubernetes.leaderelection.leaderelection import LeaderElection
from kubernetes.leaderelection.resourcelock.configmaplock import ConfigMapLock
from kubernetes.leaderelection.resourcelock.leaselock import LeaseLock

from support import NAMESPACE, connect, until

connect()


class Ended(Exception):
    """Raised inside a candidate in place of its process' end."""


class Candidate:
    def __init__(self, lock_type, identity):
        self.lock = lock_type("leader", NAMESPACE, identity)
        self.leads = threading.Event()
        self.is_dead = threading.Event()
        # The least that the package accepts.
        config = Config(
            self.lock, lease_duration=4, renew_deadline=3, retry_period=1,
            onstarted_leading=self.leads.set, onstopped_leading=lambda: None,
        )
        self.thread = threading.Thread(target=self.run, args=(LeaderElection(config),), daemon=True)
        write = self.lock.update
        self.lock.update = lambda *args: self.end() if self.is_dead.is_set() else write(*args)
        self.thread.start()

    def run(self, election):
        try:
            election.run()
        except Ended:
            pass

    def end(self):
        raise Ended


for lock_type in (LeaseLock, ConfigMapLock):
    first = Candidate(lock_type, "first")
    until("the first leads", first.leads.is_set)
    second = Candidate(lock_type, "second")
    # Renewed at least once beside the other, who has seen it held.
    until("the second has looked", lambda: second.lock.get("leader", NAMESPACE)[0])
    assert second.lock.get("leader", NAMESPACE)[1].holder_identity == "first"
    assert not second.leads.is_set()
    first.is_dead.set()
    first.thread.join(30)
    until("the second leads", second.leads.is_set)
    assert second.lock.get("leader", NAMESPACE)[1].holder_identity == "second"
    second.is_dead.set()
    second.thread.join(30)

lease = client.CoordinationV1Api().read_namespaced_lease("leader", NAMESPACE)
assert lease.spec.holder_identity == "second" and lease.spec.renew_time.tzinfo, lease.spec
