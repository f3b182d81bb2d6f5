//! The node ports of Services, as in a cluster: each is one Service's alone, whatever its protocol.
//!
//! The ports at which Services are reached on this machine are opened by `control`; here they are
//! only given.
//!
//! Source: `pkg/registry/core/service/{portallocator,storage/alloc.go}`.

use std::collections::HashMap;

use rand::RngExt;
use serde_json::{Value, json};
use spur_api::kinds::service::{NODE_PORTS, needs_health_check_port, needs_node_ports, node_ports};
use spur_api::{Status, meta};
use spur_schema::FieldError;
use spur_store::{Key, Store};

use crate::claims::{Claims, Held};
use crate::object;
use crate::served::Served;

/// Drawn ports begin after the first 86, which are left to who names one: a 32nd of the range, at
/// least 16 and at most 128 (`portallocator`, `calculateRangeOffset`).
const FIRST_DRAWN: u16 = *NODE_PORTS.start() + 86;

/// Which Service has which node ports.
#[derive(Debug)]
pub(crate) struct NodePorts(Claims<u16>);

/// The ports that a Service gets while it is written; they are free again when this is dropped,
/// unless it is stored.
pub(crate) type HeldPorts<'a> = Vec<Held<'a, u16>>;

/// Gives one Service its ports.
struct Giving<'a, 's> {
    ports: &'a NodePorts,
    store: &'s Store,
    service: Key,
    held: HeldPorts<'a>,
}

/// Why a port cannot be had, in the words of `portallocator`.
enum Refusal {
    Taken,
    NotInRange,
    NoneLeft,
}

// === impl NodePorts ===

impl Default for NodePorts {
    fn default() -> Self {
        Self(Claims::new(node_ports))
    }
}

impl NodePorts {
    /// Gives a Service that is about to be stored its node ports; other kinds stay as they are.
    ///
    /// # Errors
    /// 422 where it names a port of another Service, or one outside the range; 500 where all are
    /// taken.
    pub(crate) fn fill_in(
        &self,
        store: &Store,
        kind: &Served,
        service: &mut Value,
    ) -> Result<HeldPorts<'_>, Status> {
        if kind.plural() != "services" || !kind.group().is_empty() {
            return Ok(Vec::new());
        }
        let name = meta::name(service).to_owned();
        let key = object::key(kind, Some(meta::namespace(service)), &name);
        let mut giving = Giving { ports: self, store, service: key, held: Vec::new() };
        let refused = |(field, port, refusal): (String, u16, Refusal)| match refusal {
            Refusal::NoneLeft => Status::internal(refusal.to_string()),
            Refusal::Taken | Refusal::NotInRange => {
                let fault = FieldError::invalid(field, json!(port), refusal.to_string());
                Status::invalid(kind.group(), kind.kind(), &name, &[fault])
            }
        };
        giving.ports(service).map_err(refused)?;
        giving.health_check_port(service).map_err(refused)?;
        Ok(giving.held)
    }
}

// === impl Giving ===

impl Giving<'_, '_> {
    /// Ports of one number, for TCP and UDP, get one node port where they may
    /// (`alloc.go`, `initNodePorts`).
    fn ports(&mut self, service: &mut Value) -> Result<(), (String, u16, Refusal)> {
        let is_given = needs_node_ports(service);
        let asked: Vec<_> = meta::list(service, "/spec/ports").iter().map(numbers).collect();
        let mut given: HashMap<u16, u16> = HashMap::new();
        let mut result = Vec::with_capacity(asked.len());
        for (idx, (number, named)) in asked.iter().copied().enumerate() {
            let field = || format!("spec.ports[{idx}].nodePort");
            let of_number = given.get(&number).copied();
            let port = match (named, of_number) {
                (None, _) if !is_given => None,
                (None, Some(port)) => Some(port),
                (None, None) => {
                    let named_later = asked[idx..].iter().find(|it| it.0 == number).and_then(|it| it.1);
                    Some(
                        self.give(named_later)
                            .map_err(|refusal| (field(), named_later.unwrap_or(0), refusal))?,
                    )
                }
                (Some(port), Some(same)) if port == same => Some(port),
                (Some(port), _) => Some(self.give(Some(port)).map_err(|refusal| (field(), port, refusal))?),
            };
            if let Some(port) = port {
                given.entry(number).or_insert(port);
            }
            result.push(port);
        }
        let ports = meta::maps_at(meta::map_at(service, "spec"), "ports");
        for (port, given) in ports.zip(result) {
            match given {
                Some(given) => port.insert("nodePort".to_owned(), json!(given)),
                None => port.shift_remove("nodePort"),
            };
        }
        Ok(())
    }

    fn health_check_port(&mut self, service: &mut Value) -> Result<(), (String, u16, Refusal)> {
        if !needs_health_check_port(service) {
            return Ok(());
        }
        let named = meta::number(service, "/spec/healthCheckNodePort");
        let named = named.and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0);
        let field = || "spec.healthCheckNodePort".to_owned();
        let given = self.give(named).map_err(|refusal| (field(), named.unwrap_or(0), refusal))?;
        meta::map_at(service, "spec").insert("healthCheckNodePort".to_owned(), json!(given));
        Ok(())
    }

    /// The port that is named, else any.
    fn give(&mut self, named: Option<u16>) -> Result<u16, Refusal> {
        // What this very write holds already is another port's of the same Service.
        let is_mine = |held: &HeldPorts<'_>, port| held.iter().any(|it| it.what() == port);
        let held = match named {
            Some(port) if !NODE_PORTS.contains(&port) => return Err(Refusal::NotInRange),
            Some(port) if is_mine(&self.held, port) => return Ok(port),
            Some(port) => self.ports.0.claim(self.store, port, &self.service).ok_or(Refusal::Taken)?,
            None => {
                let start = rand::rng().random_range(FIRST_DRAWN..=*NODE_PORTS.end());
                let first = (start..=*NODE_PORTS.end()).chain(FIRST_DRAWN..start);
                let mut all = first.chain(*NODE_PORTS.start()..FIRST_DRAWN);
                let mut free = |port: &u16| !is_mine(&self.held, *port);
                let claim = |port| self.ports.0.claim(self.store, port, &self.service);
                all.by_ref().filter(&mut free).find_map(claim).ok_or(Refusal::NoneLeft)?
            }
        };
        let port = held.what();
        self.held.push(held);
        Ok(port)
    }
}

/// A port's number, and the node port that it names.
fn numbers(port: &Value) -> (u16, Option<u16>) {
    let number = |pointer| meta::number(port, pointer).and_then(|number| u16::try_from(number).ok());
    (number("/port").unwrap_or(0), number("/nodePort").filter(|port| *port != 0))
}

// === impl Refusal ===

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Taken => f.write_str("provided port is already allocated"),
            Self::NotInRange => write!(
                f,
                "provided port is not in the valid range. The range of valid ports is {}-{}",
                NODE_PORTS.start(),
                NODE_PORTS.end()
            ),
            Self::NoneLeft => f.write_str("range is full"),
        }
    }
}
