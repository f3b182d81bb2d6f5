//! The addresses of Services: each has one of its own in `10.96.0.0/16`, as in a cluster.
//!
//! ```text
//!  create, update ── fill_in ──► spec.clusterIP, a Held until the Service is stored
//!                        │
//!                        └── claims: address ──► who has asked for it last
//! ```
//!
//! A claim is made before its Service is stored and outlives it. It counts for as long as its
//! Service is being written, or is stored with this address: nobody has to give addresses back,
//! and no write waits for a second one.
//!
//! Source: `pkg/registry/core/service/{ipallocator,storage/alloc.go}`.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::Ipv4Addr;
use std::sync::{Mutex, PoisonError};

use rand::RngExt;
use serde_json::{Map, Value, json};
use spur_api::{Status, meta};
use spur_schema::FieldError;
use spur_store::{Key, Store};

use crate::object;
use crate::served::Served;

/// The range, as the ServiceCIDR `kubernetes` says it.
pub(crate) const RANGE: &str = "10.96.0.0/16";
/// The address of the Service `default/kubernetes`.
pub(crate) const KUBERNETES: &str = "10.96.0.1";
const RANGE_START: [u8; 2] = [10, 96];
/// Drawn addresses begin after the first 256, which are left to who names one
/// (`ipallocator`, the static band).
const FIRST_DRAWN: u16 = 256;
/// The last one is the broadcast address.
const LAST: u16 = u16::MAX - 1;

/// Which Service has which address.
#[derive(Debug, Default)]
pub(crate) struct ClusterAddresses {
    /// None before the first is asked for.
    claims: Mutex<Option<HashMap<Ipv4Addr, Claim>>>,
}

/// Who has asked for an address last.
#[derive(Debug)]
struct Claim {
    service: Key,
    n_writes: usize,
}

/// An address that nobody else gets while a Service is written; nothing for other objects.
#[derive(Debug)]
#[must_use = "the address is free again when this is dropped, unless the Service is stored"]
pub(crate) struct Held<'a>(Option<(&'a ClusterAddresses, Ipv4Addr)>);

/// Why an address cannot be had.
enum Refusal {
    Taken,
    NotInRange,
}

// === impl ClusterAddresses ===

impl ClusterAddresses {
    /// Gives a Service that is about to be stored its address; other kinds stay as they are.
    ///
    /// # Errors
    /// 422 where it names an address of another Service, or one outside the range; 500 where all
    /// addresses are taken.
    pub(crate) fn fill_in(
        &self,
        store: &Store,
        kind: &Served,
        service: &mut Value,
    ) -> Result<Held<'_>, Status> {
        let is_service = kind.plural() == "services" && kind.group().is_empty();
        if !is_service || meta::text(service, "/spec/type") == "ExternalName" {
            return Ok(Held(None));
        }
        let name = meta::name(service).to_owned();
        let key = object::key(kind, Some(meta::namespace(service)), &name);
        let asked = [meta::text(service, "/spec/clusterIP"), meta::text(service, "/spec/clusterIPs/0")];
        let found = asked.into_iter().find(|address| !address.is_empty()).unwrap_or_default().to_owned();
        let held = match &found[..] {
            "None" => Held(None),
            "" => {
                self.draw(store, key).ok_or_else(|| Status::internal(format!("all of {RANGE} is taken")))?
            }
            address => self.claim(store, address, key).map_err(|refusal| {
                let fault = FieldError::invalid("spec.clusterIPs", json!([address]), refusal.of(address));
                Status::invalid(kind.group(), kind.kind(), &name, &[fault])
            })?,
        };
        let address = held.0.map_or(found, |(_, address)| address.to_string());
        write(meta::map_at(service, "spec"), &address);
        Ok(held)
    }

    /// Any address that is free.
    fn draw(&self, store: &Store, service: Key) -> Option<Held<'_>> {
        let n_drawn = usize::from(LAST - FIRST_DRAWN) + 1;
        let start = rand::rng().random_range(FIRST_DRAWN..=LAST);
        let after = (start..=LAST).chain(FIRST_DRAWN..start).take(n_drawn);
        let mut addresses = after.map(|number| {
            let [high, low] = number.to_be_bytes();
            Ipv4Addr::new(RANGE_START[0], RANGE_START[1], high, low)
        });
        addresses.find_map(|address| self.try_claim(store, address, &service))
    }

    fn claim(&self, store: &Store, address: &str, service: Key) -> Result<Held<'_>, Refusal> {
        let address: Ipv4Addr = address.parse().map_err(|_| Refusal::NotInRange)?;
        let [a, b, high, low] = address.octets();
        if [a, b] != RANGE_START || !(1..=LAST).contains(&u16::from_be_bytes([high, low])) {
            return Err(Refusal::NotInRange);
        }
        self.try_claim(store, address, &service).ok_or(Refusal::Taken)
    }

    fn try_claim(&self, store: &Store, address: Ipv4Addr, service: &Key) -> Option<Held<'_>> {
        let mut claims = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        let claims = claims.get_or_insert_with(|| stored_claims(store));
        let claim = match claims.entry(address) {
            Entry::Vacant(place) => place.insert(Claim { service: service.clone(), n_writes: 0 }),
            Entry::Occupied(place) => place.into_mut(),
        };
        if claim.service != *service {
            if claim.n_writes > 0 || has_address(store, &claim.service, address) {
                return None;
            }
            claim.service = service.clone();
        }
        claim.n_writes += 1;
        Some(Held(Some((self, address))))
    }
}

/// The addresses of all Services that are stored.
fn stored_claims(store: &Store) -> HashMap<Ipv4Addr, Claim> {
    let kind = Served::bundled("", "v1", "services");
    let all = object::all(store, &kind);
    let all = all.inspect_err(|error| tracing::error!(%error, "failed to read the Services: {error}"));
    let claims = all.into_iter().flatten().filter_map(|value| {
        let service = object::key(&kind, Some(meta::namespace(&value)), meta::name(&value));
        Some((address_of(&value)?, Claim { service, n_writes: 0 }))
    });
    claims.collect()
}

fn has_address(store: &Store, service: &Key, address: Ipv4Addr) -> bool {
    let kind = Served::bundled("", "v1", "services");
    match store.get(service) {
        Ok(None) => false,
        Ok(Some(stored)) => {
            object::found(&kind, &stored).is_ok_and(|found| address_of(&found.value) == Some(address))
        }
        // What cannot be read may have it.
        Err(_) => true,
    }
}

fn address_of(service: &Value) -> Option<Ipv4Addr> {
    meta::text(service, "/spec/clusterIP").parse().ok()
}

/// The address in all the fields that tell it.
fn write(spec: &mut Map<String, Value>, address: &str) {
    spec.insert("clusterIP".to_owned(), json!(address));
    spec.insert("clusterIPs".to_owned(), json!([address]));
    meta::set_default(spec, "ipFamilies", json!(["IPv4"]));
    meta::set_default(spec, "ipFamilyPolicy", json!("SingleStack"));
}

// === impl Held ===

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let Some((addresses, address)) = self.0.take() else { return };
        let mut claims = addresses.claims.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(claim) = claims.as_mut().and_then(|claims| claims.get_mut(&address)) {
            claim.n_writes -= 1;
        }
    }
}

// === impl Refusal ===

impl Refusal {
    /// In the words of `ipallocator`.
    fn of(&self, address: &str) -> String {
        match self {
            Self::Taken => format!("failed to allocate IP {address}: provided IP is already allocated"),
            Self::NotInRange => format!(
                "failed to allocate IP {address}: the provided IP ({address}) is not in the valid range. \
                 The range of valid IPs is {RANGE}"
            ),
        }
    }
}
