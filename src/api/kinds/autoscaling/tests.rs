use serde_json::{Value, json};

use super::*;

/// An autoscaler with a metric of every type.
fn full() -> Value {
    json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web", "annotations": {"mine": "1"}},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "minReplicas": 2, "maxReplicas": 9,
            "metrics": [
                {"type": "Resource", "resource": {
                    "name": "memory", "target": {"averageValue": "1Gi", "type": "AverageValue"}}},
                {"type": "ContainerResource", "containerResource": {
                    "name": "cpu", "container": "c", "target": {"averageUtilization": 5, "type": "Utilization"}}},
                {"type": "Pods", "pods": {
                    "metric": {"name": "rps"}, "target": {"averageValue": "10", "type": "AverageValue"}}},
                {"type": "Object", "object": {
                    "describedObject": {"kind": "Ingress", "name": "i"},
                    "metric": {"name": "hits"}, "target": {"value": "2k", "type": "Value"}}},
                {"type": "External", "external": {
                    "metric": {"name": "queue", "selector": {"matchLabels": {"q": "a"}}},
                    "target": {"averageValue": "30", "type": "AverageValue"}}},
                {"type": "Resource", "resource": {
                    "name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}}},
            ],
            "behavior": {"scaleDown": {
                "stabilizationWindowSeconds": 60, "selectPolicy": "Max",
                "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
            }, "scaleUp": {
                "stabilizationWindowSeconds": 0, "selectPolicy": "Max",
                "policies": [{"type": "Pods", "value": 4, "periodSeconds": 15}],
            }},
        },
        "status": {
            "currentReplicas": 3, "desiredReplicas": 4,
            "currentMetrics": [{"type": "Resource", "resource": {
                "name": "cpu", "current": {"averageUtilization": 41, "averageValue": "410m"}}}],
            "conditions": [{"type": "AbleToScale", "status": "True"}],
        },
    })
}

#[test]
fn nothing_is_lost_on_the_way_through_v1() {
    let stored = full();
    let mut shown = stored.clone();
    V1.from_stored(&mut shown);
    assert_eq!(shown["apiVersion"], "autoscaling/v1");
    assert_eq!(shown["spec"]["targetCPUUtilizationPercentage"], 60);
    assert_eq!(shown["spec"].get("metrics"), None);
    assert_eq!(shown["status"]["currentCPUUtilizationPercentage"], 41);
    assert_eq!(shown["status"].get("conditions"), None);
    let annotations = shown["metadata"]["annotations"].as_object().expect("annotations");
    assert_eq!(annotations.len(), 5);
    let behavior = annotations["autoscaling.alpha.kubernetes.io/behavior"].as_str().expect("text");
    assert!(behavior.contains(r#""ScaleDown":{"StabilizationWindowSeconds":60"#), "{behavior}");
    V1.to_stored(&mut shown);
    assert_eq!(shown, stored);
}

#[test]
fn the_older_shape_says_what_the_cpu_may_be() {
    let mut object = json!({
        "apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"},
        "spec": {
            "scaleTargetRef": {"kind": "Deployment", "name": "web"}, "maxReplicas": 3,
            "targetCPUUtilizationPercentage": 50,
        },
    });
    (V1.rules.default)(&mut object);
    assert_eq!((V1.rules.validate)(&object, None), []);
    let row = (V1.rules.cells)(&object);
    assert_eq!(
        row[..5],
        [json!("Deployment/web"), json!("cpu: <unknown>/50%"), json!("1"), json!(3), json!(0)]
    );
    let shown = object.clone();
    V1.to_stored(&mut object);
    assert_eq!(object["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"], 50);
    V1.from_stored(&mut object);
    assert_eq!(object, shown);
}

#[test]
fn the_cpu_is_the_metric_where_none_is_named() {
    let mut object = json!({"spec": {"maxReplicas": 2}});
    default(&mut object);
    assert_eq!(targets(&object), "cpu: <unknown>/80%");
    object["spec"]["behavior"] = json!({});
    default(&mut object);
    assert_eq!(object["spec"]["behavior"]["scaleUp"]["policies"].as_array().map(Vec::len), Some(2));
}

#[test]
fn two_metrics_are_shown_and_the_rest_counted() {
    let mut object = full();
    object["status"]["currentMetrics"][0]["resource"]["name"] = json!("memory");
    assert_eq!(targets(&object), "memory: 410m/1Gi, cpu: <unknown>/5% + 4 more...");
}

#[test]
fn replicas_have_bounds_and_metrics_a_target() {
    let places = |object: &Value| -> Vec<String> {
        validate(object, None).into_iter().map(|fault| fault.path).collect()
    };
    assert_eq!(places(&full()), [""; 0]);
    let mut object = full();
    object["spec"]["minReplicas"] = json!(10);
    assert_eq!(places(&object), ["spec.maxReplicas"]);
    object["spec"]["minReplicas"] = json!(0);
    object["spec"]["metrics"] = json!([{"type": "Odd"}, {"type": "Pods"}, {"type": "Pods", "pods": {}}]);
    assert_eq!(
        places(&object),
        ["spec.minReplicas", "spec.metrics[0].type", "spec.metrics[1].pods", "spec.metrics[2].pods.target"]
    );
}

#[test]
fn an_update_of_the_older_shape_keeps_the_status_in_its_annotations() {
    let mut old = full();
    V1.from_stored(&mut old);
    let mut new = old.clone();
    new["metadata"]["annotations"] = json!({"mine": "2"});
    (V1.rules.prepare_update)(&mut new, &old);
    let annotations = new["metadata"]["annotations"].as_object().expect("annotations");
    assert_eq!(annotations.len(), 3);
    assert_eq!(annotations["mine"], "2");
}
