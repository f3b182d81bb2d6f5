use super::*;

#[test]
fn every_kind_has_a_schema_that_is_structural() {
    for definition in all() {
        let schema = definition.schema();
        let faults = spur_schema::structural_faults(&schema, "");
        assert!(faults.is_empty(), "{}: {faults:?}", definition.name());
        assert!(schema["properties"]["spec"]["properties"].is_object(), "{}", definition.name());
        assert!(definition.versions.contains(&definition.storage_version), "{}", definition.name());
    }
}

#[test]
fn every_type_is_somebodys() {
    for (text, kinds) in [(istio::TEXT, istio::DEFINITIONS), (gateway::TEXT, gateway::DEFINITIONS)] {
        for name in Source::read(text).type_names() {
            let is_kind = kinds.iter().any(|definition| definition.kind == name);
            let is_named = |line: &str| {
                let words = line.split_once(": ").map_or("", |(_, said)| said);
                let of = words.split(' ').next().unwrap_or_default();
                of.trim_matches(['[', ']', '{', '}']) == name
            };
            assert!(is_kind || text.lines().any(is_named), "nobody has the type `{name}`");
        }
    }
}

#[test]
fn names_are_said_once() {
    let mut names: Vec<String> = all().map(Definition::name).collect();
    names.sort();
    let n_names = names.len();
    names.dedup();
    assert_eq!((n_names, names.len()), (25, 25));
}
