//! Which Service has what no two may have: a cluster address, a node port.
//!
//! A claim is made before its Service is stored and outlives it. It counts for as long as its
//! Service is being written, or is stored with what was claimed: nobody has to give anything back,
//! and no write waits for a second one.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use spur_api::meta;
use spur_store::{Key, Store};

use crate::object;
use crate::served::Served;

/// Who has asked for what last.
#[derive(Debug)]
pub(crate) struct Claims<T> {
    /// What a Service has, as it is stored.
    had: fn(&Value) -> Vec<T>,
    /// None before the first is asked for.
    claims: Mutex<Option<HashMap<T, Claim>>>,
}

/// Who has asked for one thing last.
#[derive(Debug)]
struct Claim {
    service: Key,
    n_writes: usize,
}

/// What nobody else gets while a Service is written.
#[derive(Debug)]
#[must_use = "it is free again when this is dropped, unless the Service is stored"]
pub(crate) struct Held<'a, T: Copy + Eq + Hash> {
    claims: &'a Claims<T>,
    what: T,
}

// === impl Claims ===

impl<T: Copy + Eq + Hash> Claims<T> {
    /// None yet; `had` tells what a stored Service has.
    pub(crate) fn new(had: fn(&Value) -> Vec<T>) -> Self {
        Self { had, claims: Mutex::new(None) }
    }

    /// Claims it for a Service; `None` where another has it.
    pub(crate) fn claim(&self, store: &Store, what: T, service: &Key) -> Option<Held<'_, T>> {
        let mut claims = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        let claims = claims.get_or_insert_with(|| self.stored(store));
        let claim = match claims.entry(what) {
            Entry::Vacant(place) => place.insert(Claim { service: service.clone(), n_writes: 0 }),
            Entry::Occupied(place) => place.into_mut(),
        };
        if claim.service != *service {
            if claim.n_writes > 0 || self.is_had(store, &claim.service, what) {
                return None;
            }
            claim.service = service.clone();
        }
        claim.n_writes += 1;
        Some(Held { claims: self, what })
    }

    /// What all Services have that are stored.
    fn stored(&self, store: &Store) -> HashMap<T, Claim> {
        let kind = Served::bundled("", "v1", "services");
        let all = object::all(store, &kind);
        let all = all.inspect_err(|error| tracing::error!(%error, "failed to read the Services: {error}"));
        let claims = all.into_iter().flatten().flat_map(|value| {
            let service = object::key(&kind, Some(meta::namespace(&value)), meta::name(&value));
            let claim = move |what| (what, Claim { service: service.clone(), n_writes: 0 });
            (self.had)(&value).into_iter().map(claim)
        });
        claims.collect()
    }

    fn is_had(&self, store: &Store, service: &Key, what: T) -> bool {
        let kind = Served::bundled("", "v1", "services");
        match store.get(service) {
            Ok(None) => false,
            Ok(Some(stored)) => {
                object::found(&kind, &stored).is_ok_and(|found| (self.had)(&found.value).contains(&what))
            }
            // What cannot be read may have it.
            Err(_) => true,
        }
    }
}

// === impl Held ===

impl<T: Copy + Eq + Hash> Held<'_, T> {
    /// What is held.
    pub(crate) fn what(&self) -> T {
        self.what
    }
}

impl<T: Copy + Eq + Hash> Drop for Held<'_, T> {
    fn drop(&mut self) {
        let mut claims = self.claims.claims.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(claim) = claims.as_mut().and_then(|claims| claims.get_mut(&self.what)) {
            claim.n_writes -= 1;
        }
    }
}
