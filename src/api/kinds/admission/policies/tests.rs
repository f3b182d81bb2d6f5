use super::*;

fn places(faults: Vec<FieldError>) -> Vec<String> {
    faults.into_iter().map(|fault| fault.path).collect()
}

fn constraints() -> Value {
    json!({"resourceRules": [{
        "operations": ["CREATE"], "apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"],
    }]})
}

#[test]
fn a_policy_says_what_it_is_about_and_what_must_hold() {
    let mut policy = json!({"spec": {
        "matchConstraints": constraints(),
        "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
        "validations": [{"expression": "object.spec.replicas <= 5"}],
    }});
    default_policy(&mut policy);
    assert_eq!(places(validate_validating(&policy, None)), [""; 0]);
    assert_eq!(policy["spec"]["failurePolicy"], "Fail");
    assert_eq!(policy["spec"]["matchConstraints"]["resourceRules"][0]["scope"], "*");
    assert_eq!((VALIDATING.rules.cells)(&policy)[..2], [json!(1), json!("v1/ConfigMap")]);
    assert_eq!(
        places(validate_validating(&json!({"spec": {}}), None)),
        ["spec.matchConstraints", "spec.validations", "spec.auditAnnotations"]
    );
    policy["spec"]["validations"] = json!([{"expression": " ", "reason": "Mood"}]);
    assert_eq!(
        places(validate_validating(&policy, None)),
        ["spec.validations[0].expression", "spec.validations[0].reason"]
    );
}

#[test]
fn a_mutation_has_the_expression_of_its_type() {
    let mut policy = json!({"spec": {
        "matchConstraints": constraints(),
        "mutations": [
            {"patchType": "JSONPatch", "jsonPatch": {"expression": "[]"}},
            {"patchType": "ApplyConfiguration"},
        ],
    }});
    (MUTATING.rules.default)(&mut policy);
    assert_eq!(policy["spec"]["reinvocationPolicy"], "Never");
    assert_eq!(places(validate_mutating(&policy, None)), ["spec.mutations[1].applyConfiguration.expression"]);
    assert_eq!((MUTATING.rules.cells)(&policy)[..2], [json!(2), json!("<unset>")]);
}

#[test]
fn a_binding_names_its_policy_and_says_what_happens() {
    let mut binding = json!({"spec": {
        "policyName": "p", "validationActions": ["Deny"],
        "paramRef": {"name": "limits", "parameterNotFoundAction": "Deny"},
    }});
    let validate = VALIDATING_BINDING.rules.validate;
    assert_eq!(places(validate(&binding, None)), [""; 0]);
    assert_eq!((VALIDATING_BINDING.rules.cells)(&binding)[..2], [json!("p"), json!("*/limits")]);
    binding["spec"]["validationActions"] = json!(["Deny", "Warn", "Deny"]);
    assert_eq!(places(validate(&binding, None)), ["spec.validationActions[2]", "spec.validationActions"]);
    binding["spec"]["paramRef"] = json!({"parameterNotFoundAction": "Deny"});
    assert_eq!(places((MUTATING_BINDING.rules.validate)(&binding, None)), ["spec.paramRef"]);
}
