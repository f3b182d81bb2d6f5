//! Cluster addresses: the ranges they come from, and the single ones that are taken.

use serde_json::{Value, json};
use spur_schema::FieldError;

use super::check;
use crate::meta;
use crate::names::NameRule;
use crate::registry::{Column, Kind, Rules, Subresource};

pub(crate) const SERVICE_CIDR: Kind = Kind {
    kind: "ServiceCIDR",
    plural: "servicecidrs",
    singular: "servicecidr",
    definition: "io.k8s.api.networking.v1.ServiceCIDR",
    subresources: &[Subresource::Status],
    rules: Rules {
        validate: validate_range,
        columns: &[Column::text("CIDRs"), Column::AGE],
        cells: |object| vec![json!(super::texts(object, "/spec/cidrs").join(",")), super::age(object)],
        ..Rules::PLAIN
    },
    ..Kind::cluster("networking.k8s.io", "v1")
};

pub(crate) const IP_ADDRESS: Kind = Kind {
    kind: "IPAddress",
    plural: "ipaddresses",
    singular: "ipaddress",
    short_names: &["ip"],
    definition: "io.k8s.api.networking.v1.IPAddress",
    rules: Rules {
        name: NameRule::IpAddress,
        validate: validate_address,
        columns: &[Column::text("ParentRef")],
        cells: |object| vec![json!(parent(object))],
        ..Rules::PLAIN
    },
    ..Kind::cluster("networking.k8s.io", "v1")
};

/// Source: `pkg/apis/networking/validation.ValidateServiceCIDR`.
fn validate_range(new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut faults = Vec::new();
    let cidrs = super::texts(new, "/spec/cidrs");
    match cidrs.as_slice() {
        [] => faults.push(FieldError::required("spec.cidrs", "at least one CIDR required")),
        [_] => {}
        [a, b] if a.contains(':') != b.contains(':') => {}
        [_, _] => {
            let why =
                "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64";
            faults.push(FieldError::invalid("spec.cidrs", json!(cidrs), why));
        }
        more => {
            let why = "may only hold up to 2 values";
            faults.push(FieldError::invalid("spec", json!(more), why));
        }
    }
    for (index, block) in cidrs.into_iter().enumerate() {
        if let Some(why) = check::cidr(block) {
            faults.push(FieldError::invalid(format!("spec.cidrs[{index}]"), json!(block), why));
        }
    }
    faults.extend(check::immutable(new, old, "spec.cidrs"));
    faults
}

/// Source: `pkg/apis/networking/validation.ValidateIPAddress`.
fn validate_address(new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut faults = Vec::new();
    if check::at(new, "spec.parentRef").is_none() {
        faults.push(FieldError::required("spec.parentRef", ""));
    } else {
        for field in ["resource", "name"] {
            faults.extend(check::required(new, &format!("spec.parentRef.{field}"), ""));
        }
    }
    faults.extend(check::immutable(new, old, "spec"));
    faults
}

/// `services/shop/web`, or `<none>`.
fn parent(object: &Value) -> String {
    let part = |field: &str| meta::text(object, &format!("/spec/parentRef/{field}"));
    if check::at(object, "spec.parentRef").is_none() {
        return "<none>".to_owned();
    }
    let resource = match part("group") {
        "" => part("resource").to_lowercase(),
        group => format!("{}.{group}", part("resource")).to_lowercase(),
    };
    match part("namespace") {
        "" => format!("{resource}/{}", part("name")),
        namespace => format!("{resource}/{namespace}/{}", part("name")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_one_block_of_each_family() {
        let places = |cidrs: Value| -> Vec<String> {
            let object = json!({"spec": {"cidrs": cidrs}});
            validate_range(&object, None).into_iter().map(|fault| fault.path).collect()
        };
        assert_eq!(places(json!(["10.0.0.0/16", "fd00::/112"])), [""; 0]);
        assert_eq!(places(json!(["10.0.0.0/16", "10.1.0.0/16"])), ["spec.cidrs"]);
        assert_eq!(places(json!([])), ["spec.cidrs"]);
        assert_eq!(places(json!(["10.0.0.0"])), ["spec.cidrs[0]"]);
    }

    #[test]
    fn an_address_names_what_has_it() {
        let object = json!({"spec": {"parentRef": {
            "group": "", "resource": "services", "namespace": "shop", "name": "web",
        }}});
        assert_eq!(validate_address(&object, None), []);
        assert_eq!(parent(&object), "services/shop/web");
        assert_eq!(validate_address(&json!({"spec": {}}), None)[0].path, "spec.parentRef");
    }
}
