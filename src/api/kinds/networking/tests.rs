use super::*;

fn ingress() -> Value {
    let backend = json!({"service": {"name": "web", "port": {"number": 80}}});
    json!({"spec": {
        "ingressClassName": "nginx",
        "rules": [{"host": "*.shop.example", "http": {"paths": [
            {"path": "/", "pathType": "Prefix", "backend": backend},
        ]}}],
    }})
}

fn places(object: &Value) -> Vec<String> {
    validate_ingress(object, None).into_iter().map(|fault| fault.path).collect()
}

#[test]
fn a_plain_ingress_is_valid_and_shows_its_hosts() {
    let mut object = ingress();
    assert_eq!(places(&object), [""; 0]);
    object["status"] = json!({"loadBalancer": {"ingress": [{"hostname": "a-long-name.balancers.example"}]}});
    let row = (INGRESS.rules.cells)(&object);
    let expected = [json!("nginx"), json!("*.shop.example"), json!("a-long-name.b..."), json!("80")];
    assert_eq!(row[..4], expected);
}

#[test]
fn a_path_says_how_it_matches_and_where_it_goes() {
    let mut object = ingress();
    let path = &mut object["spec"]["rules"][0]["http"]["paths"][0];
    *path = json!({"path": "x", "pathType": "Exact", "backend": {"service": {"name": "web"}}});
    assert_eq!(places(&object), ["spec.rules[0].http.paths[0].path", "spec.rules[0].http.paths[0].backend"]);
    object["spec"]["rules"][0]["http"]["paths"][0] = json!({"backend": {}});
    assert_eq!(
        places(&object),
        ["spec.rules[0].http.paths[0].pathType", "spec.rules[0].http.paths[0].backend"]
    );
    object["spec"]["rules"][0] = json!({"host": "10.0.0.1"});
    assert_eq!(places(&object), ["spec.rules[0].host"]);
    assert_eq!(places(&json!({"spec": {}})), ["spec"]);
}

#[test]
fn a_class_keeps_its_controller() {
    let old = json!({"spec": {"controller": "example.com/a", "parameters": {"kind": "Config", "name": "c"}}});
    let mut old = old;
    (INGRESS_CLASS.rules.default)(&mut old);
    assert_eq!(validate_class(&old, None), []);
    assert_eq!(parameters(&old), "Config/c");
    let mut new = old.clone();
    new["spec"]["controller"] = json!("example.com/b");
    assert_eq!(validate_class(&new, Some(&old))[0].path, "spec.controller");
    new["spec"]["controller"] = json!("plain");
    assert_eq!(validate_class(&new, None)[0].path, "spec.controller");
}
