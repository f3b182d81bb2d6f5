//! The addresses of Services: each has one of its own in `10.96.0.0/16`, as in a cluster.
//!
//! Source: `pkg/registry/core/service/{ipallocator,storage/alloc.go}`.

use std::net::Ipv4Addr;

use rand::RngExt;
use serde_json::{Map, Value, json};
use spur_api::{Status, meta};
use spur_schema::FieldError;
use spur_store::{Key, Store};

use crate::claims::{Claims, Held};
use crate::object;
use crate::served::Served;

/// The range, as the ServiceCIDR `kubernetes` says it.
pub(crate) const RANGE: &str = "10.96.0.0/16";
/// The address of the Service `default/kubernetes`.
pub(crate) const KUBERNETES: &str = "10.96.0.1";
/// The address of the Service `kube-system/telemetry`.
pub(crate) const TELEMETRY: &str = "10.96.0.2";
const RANGE_START: [u8; 2] = [10, 96];
/// Drawn addresses begin after the first 256, which are left to who names one
/// (`ipallocator`, the static band).
const FIRST_DRAWN: u16 = 256;
/// The last one is the broadcast address.
const LAST: u16 = u16::MAX - 1;

/// Which Service has which address.
#[derive(Debug)]
pub(crate) struct ClusterAddresses(Claims<Ipv4Addr>);

/// Why an address cannot be had.
enum Refusal {
    Taken,
    NotInRange,
}

// === impl ClusterAddresses ===

impl Default for ClusterAddresses {
    fn default() -> Self {
        Self(Claims::new(|service| address_of(service).into_iter().collect()))
    }
}

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
    ) -> Result<Option<Held<'_, Ipv4Addr>>, Status> {
        let is_service = kind.plural() == "services" && kind.group().is_empty();
        if !is_service || meta::text(service, "/spec/type") == "ExternalName" {
            return Ok(None);
        }
        let name = meta::name(service).to_owned();
        let key = object::key(kind, Some(meta::namespace(service)), &name);
        let asked = [meta::text(service, "/spec/clusterIP"), meta::text(service, "/spec/clusterIPs/0")];
        let found = asked.into_iter().find(|address| !address.is_empty()).unwrap_or_default().to_owned();
        let held = match &found[..] {
            "None" => None,
            "" => {
                let drawn = self.draw(store, &key);
                Some(drawn.ok_or_else(|| Status::internal(format!("all of {RANGE} is taken")))?)
            }
            address => Some(self.claim(store, address, &key).map_err(|refusal| {
                let fault = FieldError::invalid("spec.clusterIPs", json!([address]), refusal.of(address));
                Status::invalid(kind.group(), kind.kind(), &name, &[fault])
            })?),
        };
        let address = held.as_ref().map_or(found, |held| held.what().to_string());
        write(meta::map_at(service, "spec"), &address);
        Ok(held)
    }

    /// Any address that is free.
    fn draw(&self, store: &Store, service: &Key) -> Option<Held<'_, Ipv4Addr>> {
        let n_drawn = usize::from(LAST - FIRST_DRAWN) + 1;
        let start = rand::rng().random_range(FIRST_DRAWN..=LAST);
        let after = (start..=LAST).chain(FIRST_DRAWN..start).take(n_drawn);
        let mut addresses = after.map(|number| {
            let [high, low] = number.to_be_bytes();
            Ipv4Addr::new(RANGE_START[0], RANGE_START[1], high, low)
        });
        addresses.find_map(|address| self.0.claim(store, address, service))
    }

    fn claim(&self, store: &Store, address: &str, service: &Key) -> Result<Held<'_, Ipv4Addr>, Refusal> {
        let address: Ipv4Addr = address.parse().map_err(|_| Refusal::NotInRange)?;
        let [a, b, high, low] = address.octets();
        if [a, b] != RANGE_START || !(1..=LAST).contains(&u16::from_be_bytes([high, low])) {
            return Err(Refusal::NotInRange);
        }
        self.0.claim(store, address, service).ok_or(Refusal::Taken)
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
