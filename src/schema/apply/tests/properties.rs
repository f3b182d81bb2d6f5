//! What holds for any configurations, applied and updated in any order.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// A configuration that fits the schema.
fn config() -> impl Strategy<Value = Value> {
    let port =
        (1..3i64, prop::option::of(prop::sample::select(vec!["TCP", "UDP"]))).prop_map(|(port, protocol)| {
            match protocol {
                Some(protocol) => json!({"containerPort": port, "protocol": protocol}),
                None => json!({"containerPort": port}),
            }
        });
    let container = ("[abc]", prop::option::of("[xy]"), prop::collection::vec(port, 0..3)).prop_map(
        |(name, image, ports)| {
            let mut container = json!({"name": name});
            if let Some(image) = image {
                container["image"] = json!(image);
            }
            if !ports.is_empty() {
                container["ports"] = unique(ports, |port| {
                    format!("{} {}", port["containerPort"], port.get("protocol").unwrap_or(&json!("TCP")))
                });
            }
            container
        },
    );
    (
        prop::option::of(0..3i64),
        prop::collection::vec(container, 0..4),
        prop::collection::btree_map("[abc]", "[xy]", 0..3),
        prop::collection::btree_set("[abc]", 0..3),
        prop::option::of(prop::collection::vec("[xy]", 0..2)),
    )
        .prop_map(|(replicas, containers, labels, finalizers, args)| {
            let mut config = json!({"metadata": {"name": "d"}, "spec": {}});
            if let Some(replicas) = replicas {
                config["spec"]["replicas"] = json!(replicas);
            }
            if let Some(args) = args {
                config["spec"]["args"] = json!(args);
            }
            if !containers.is_empty() {
                config["spec"]["containers"] = unique(containers, |container| container["name"].to_string());
            }
            if !labels.is_empty() {
                config["metadata"]["labels"] = json!(labels);
            }
            if !finalizers.is_empty() {
                config["metadata"]["finalizers"] = json!(finalizers);
            }
            config
        })
}

fn unique(items: Vec<Value>, name: impl Fn(&Value) -> String) -> Value {
    let mut seen = std::collections::HashSet::new();
    items.into_iter().filter(|item| seen.insert(name(item))).collect()
}

proptest! {
    #![proptest_config(crate::arbitrary::config())]

    #[test]
    fn applied_fields_have_their_values_and_their_owner(configs in prop::collection::vec((0..3usize, config(), any::<bool>()), 1..6)) {
        let mut server = Server::new();
        let schemas = deployments();
        let schema = schemas.get("Deployment").unwrap();
        for (who, config, by_update) in configs {
            let name = format!("m{who}");
            if by_update && server.live.is_some() {
                server.update(&name, |object| *object = config.clone());
                continue;
            }
            server.force(&name, config.clone());
            let first = server.live.clone().unwrap();
            // The configuration is in the object…
            prop_assert!(compare(schema, Some(&server.object()), Some(&config)).added.is_empty());
            prop_assert!(compare(schema, Some(&server.object()), Some(&config)).modified.is_empty());
            // …its manager owns exactly it…
            let id = ManagerId::of(&manager(&name, Operation::Apply, ""));
            let owned = Managed::decode(&first).unwrap().0.get(&id).map(|owned| owned.fields.clone()).unwrap_or_default();
            prop_assert_eq!(owned, extract(schema, &config).unwrap().difference(&NEVER_OWNED));
            // …and applying it again, now without force, changes nothing.
            server.apply(&name, config);
            prop_assert_eq!(server.live.clone().unwrap(), first);
        }
    }

    #[test]
    fn what_one_manager_applies_and_drops_leaves_nothing(config in config()) {
        let mut server = Server::new();
        server.apply("ann", config);
        server.apply("ann", json!({"metadata": {"name": "d"}, "spec": {}}));
        prop_assert_eq!(server.object(), json!({"metadata": {"name": "d"}, "spec": {}}));
    }

    #[test]
    fn ownership_never_outlives_the_field(first in config(), second in config(), third in config()) {
        let mut server = Server::new();
        server.force("ann", first).force("bob", second);
        server.update("carol", |object| *object = third.clone());
        let schemas = deployments();
        let schema = schemas.get("Deployment").unwrap();
        let there = extract::extract_stored(schema, &server.object()).with_named_fields(Some(schema));
        for owned in Managed::decode(server.live.as_ref().unwrap()).unwrap().0.values() {
            prop_assert!(owned.fields.leaves().difference(&there).is_empty(), "{} outlives", owned.fields.difference(&there));
        }
    }

    #[test]
    fn any_object_is_survived(live in crate::arbitrary::object(), applied in crate::arbitrary::object()) {
        let schemas = deployments();
        let schema = schemas.get("Deployment").unwrap();
        let manager = manager("ann", Operation::Apply, "00");
        let _ = apply(schema, Some(&live), &applied, &manager, OnConflict::Force);
        let updater = Manager { operation: Operation::Update, ..manager };
        prop_assert!(update(schema, Some(&live), applied.clone(), &updater).is_ok());
        prop_assert!(update(schema, None, applied.clone(), &updater).is_ok());
    }
}
