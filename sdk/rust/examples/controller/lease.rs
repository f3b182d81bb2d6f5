//! One leader among many: a Lease that its holder renews, and that another instance takes when it
//! has not been renewed for its time.
//!
//! The rules are those of client-go's `leaderelection`, so that instances in both languages may
//! stand for the same lease:
//! - Every write carries the resourceVersion that was read, so that of two writers one is refused.
//! - A lease has run out when *this* process has seen no change of it for its time. The times
//!   inside are another machine's clock and are not compared with ours.
//! - A leader stops before its lease can have run out for others: after two thirds of the time
//!   without a renewal.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, ResourceExt};
use thiserror::Error;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::warn;

/// An instance that leads or waits for it.
pub(crate) struct Candidate {
    leases: Api<Lease>,
    name: String,
    identity: String,
    lease_time: Duration,
    seen: Option<Seen>,
}

/// Why an instance may not lead any longer.
#[derive(Debug, Error)]
pub(crate) enum Lost {
    #[error("the lease is held by `{0}`")]
    Taken(String),
    #[error("the lease was not renewed for {0:?}")]
    NotRenewed(Duration),
}

/// The lease as it was seen last, and since when.
struct Seen {
    version: Option<String>,
    since: Instant,
}

enum Standing {
    Leading,
    Behind { holder: String },
}

// === impl Candidate ===

impl Candidate {
    /// `identity` has to be this instance's alone.
    pub(crate) fn new(leases: Api<Lease>, name: &str, identity: &str, lease_time: Duration) -> Self {
        Self { leases, name: name.to_owned(), identity: identity.to_owned(), lease_time, seen: None }
    }

    /// Returns when this instance leads.
    pub(crate) async fn lead(&mut self) {
        loop {
            match self.stand().await {
                Ok(Standing::Leading) => return,
                Ok(Standing::Behind { .. }) => {}
                Err(error) => warn!("failed to ask for the lease `{}`: {error}", self.name),
            }
            sleep(self.pause()).await;
        }
    }

    /// Renews the lease for as long as it can, and tells why it cannot any longer.
    pub(crate) async fn keep(&mut self) -> Lost {
        let patience = self.lease_time * 2 / 3;
        let mut renewed = Instant::now();
        loop {
            sleep(self.pause()).await;
            let tried = Instant::now();
            match timeout_at(renewed + patience, self.stand()).await {
                Ok(Ok(Standing::Leading)) => renewed = tried,
                Ok(Ok(Standing::Behind { holder })) => return Lost::Taken(holder),
                Ok(Err(error)) => warn!("failed to renew the lease `{}`: {error}", self.name),
                Err(_over) => return Lost::NotRenewed(patience),
            }
        }
    }

    /// Frees the lease, so that the next leader need not wait for its end.
    pub(crate) async fn give_up(&mut self) -> Result<(), kube::Error> {
        let Some(mut lease) = self.leases.get_opt(&self.name).await? else { return Ok(()) };
        let spec = lease.spec.get_or_insert_default();
        if spec.holder_identity.as_ref() == Some(&self.identity) {
            *spec =
                LeaseSpec { holder_identity: None, lease_duration_seconds: Some(1), ..self.spec(Some(spec)) };
            self.leases.replace(&self.name, &PostParams::default(), &lease).await?;
        }
        Ok(())
    }

    /// Takes or renews the lease where that is allowed.
    async fn stand(&mut self) -> Result<Standing, kube::Error> {
        let Some(mut lease) = self.leases.get_opt(&self.name).await? else {
            let mut lease = Lease::default();
            lease.metadata.name = Some(self.name.clone());
            lease.spec = Some(self.spec(None));
            self.leases.create(&PostParams::default(), &lease).await?;
            return Ok(Standing::Leading);
        };
        if let Some(holder) = holder(&lease).filter(|holder| **holder != self.identity)
            && !self.has_run_out(&lease)
        {
            return Ok(Standing::Behind { holder: holder.clone() });
        }
        lease.spec = Some(self.spec(lease.spec.as_ref()));
        // Whoever wrote since the read wins: this is refused with 409 then.
        self.leases.replace(&self.name, &PostParams::default(), &lease).await?;
        Ok(Standing::Leading)
    }

    /// Whether the lease has been as it is for its whole time.
    fn has_run_out(&mut self, lease: &Lease) -> bool {
        let now = Instant::now();
        let version = lease.resource_version();
        let seen = self.seen.get_or_insert_with(|| Seen { version: version.clone(), since: now });
        if seen.version != version {
            *seen = Seen { version, since: now };
        }
        let seconds = lease.spec.as_ref().and_then(|spec| spec.lease_duration_seconds).unwrap_or(0);
        let lease_time = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
        now.duration_since(seen.since) >= lease_time
    }

    /// The lease as this instance holds it.
    fn spec(&self, before: Option<&LeaseSpec>) -> LeaseSpec {
        let now = MicroTime(Timestamp::now());
        let is_ours = before.is_some_and(|spec| spec.holder_identity.as_ref() == Some(&self.identity));
        let n_before = before.and_then(|spec| spec.lease_transitions).unwrap_or(0);
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(self.lease_time.as_secs()).ok(),
            renew_time: Some(now.clone()),
            acquire_time: before.and_then(|spec| spec.acquire_time.clone()).filter(|_| is_ours).or(Some(now)),
            lease_transitions: Some(if is_ours || before.is_none() { n_before } else { n_before + 1 }),
            ..LeaseSpec::default()
        }
    }

    /// Between two looks: several renewals have to fail before the lease is lost.
    fn pause(&self) -> Duration {
        self.lease_time / 6
    }
}

/// Who holds it; a lease that was given up has nobody.
fn holder(lease: &Lease) -> Option<&String> {
    lease.spec.as_ref()?.holder_identity.as_ref().filter(|holder| !holder.is_empty())
}
