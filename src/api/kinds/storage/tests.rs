use super::*;

fn places(faults: Vec<FieldError>) -> Vec<String> {
    faults.into_iter().map(|fault| fault.path).collect()
}

#[test]
fn a_class_shows_whether_it_is_the_default_and_keeps_its_provisioner() {
    let mut old = json!({
        "metadata": {"name": "fast", "annotations": {DEFAULT_CLASS: "true"}},
        "provisioner": "example.com/disk",
    });
    (STORAGE_CLASS.rules.default)(&mut old);
    assert_eq!(places(validate_class(&old, None)), [""; 0]);
    let row = (STORAGE_CLASS.rules.cells)(&old);
    let expected = ["fast (default)", "example.com/disk", "Delete", "Immediate"].map(|text| json!(text));
    assert_eq!(row[..4], expected);
    assert_eq!(row[4], false);
    let mut new = old.clone();
    new["provisioner"] = json!("example.com/other");
    new["volumeBindingMode"] = json!("WaitForFirstConsumer");
    assert_eq!(places(validate_class(&new, Some(&old))), ["provisioner", "volumeBindingMode"]);
}

#[test]
fn a_driver_is_attached_unless_it_says_otherwise() {
    let mut driver = json!({"spec": {"tokenRequests": [{"audience": "a"}, {"audience": "b"}]}});
    default_driver(&mut driver);
    assert_eq!(places(validate_driver(&driver, None)), [""; 0]);
    let row = driver_cells(&driver);
    let expected = [json!(true), json!(false), json!(false), json!("a,b"), json!(false), json!("Persistent")];
    assert_eq!(row[..6], expected);
    assert_eq!(driver_cells(&json!({}))[3], "<unset>");
}

#[test]
fn an_attachment_has_one_source_and_stays() {
    let old = json!({"spec": {
        "attacher": "a", "nodeName": "n", "source": {"persistentVolumeName": "pv"},
    }});
    assert_eq!(places(validate_attachment(&old, None)), [""; 0]);
    let mut new = old.clone();
    new["spec"]["nodeName"] = json!("m");
    assert_eq!(places(validate_attachment(&new, Some(&old))), ["spec"]);
    assert_eq!(
        places(validate_attachment(&json!({"spec": {}}), None)),
        ["spec.attacher", "spec.nodeName", "spec.source"]
    );
}

#[test]
fn attributes_and_capacities_keep_what_they_are_about() {
    let old = json!({"driverName": "d", "parameters": {"iops": "1"}, "storageClassName": "c"});
    assert_eq!(places((VOLUME_ATTRIBUTES_CLASS.rules.validate)(&old, None)), [""; 0]);
    assert_eq!((CSI_STORAGE_CAPACITY.rules.cells)(&old), [json!("c"), json!("<unset>")]);
    let mut new = old.clone();
    new["parameters"] = json!({"iops": "2"});
    new["storageClassName"] = json!("e");
    assert_eq!(places((VOLUME_ATTRIBUTES_CLASS.rules.validate)(&new, Some(&old))), ["parameters"]);
    assert_eq!(places((CSI_STORAGE_CAPACITY.rules.validate)(&new, Some(&old))), ["storageClassName"]);
    assert_eq!(
        places(validate_node(&json!({"spec": {"drivers": [{"name": "d"}]}}), None)),
        ["spec.drivers[0].nodeID"]
    );
}
