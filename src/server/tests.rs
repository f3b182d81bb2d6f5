//! The router driven as a client would, in process.

mod access;
mod bundled_kinds;
mod components;
mod concurrency;
mod corrupt;
mod custom_definitions;
mod custom_resources;
mod custom_rules;
mod deletes;
mod discovery;
mod hostile;
mod in_flight;
mod kinds;
mod kube_rs;
mod lists;
mod patches;
mod pods;
mod protobuf;
mod requests;
mod services;
mod sizes;
mod slow_watchers;
mod streams;
mod watches;
mod world;
mod writes;
