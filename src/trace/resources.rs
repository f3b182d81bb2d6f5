//! Resources that are kept once, however many spans and log lines name them.
//!
//! Each export brings its resource anew, a kilobyte for what may be one span; what names it would
//! otherwise hold a copy that no limit of theirs counts.

use std::collections::HashMap;
use std::sync::Arc;

use crate::attributes::Attributes;
use crate::span::{Resource, SpanLimits};

/// Resources that are told apart: pods of some hundred services, with those that were restarted
/// and that some trace still names.
const MAX_RESOURCES: usize = 512;

/// Bytes of one: OpenTelemetry's detectors of process, host and container fill 2 KiB. Together with
/// their number they bound what no trace counts to 8 MiB.
const MAX_RESOURCE_BYTES: usize = 16 << 10;

/// Bytes of the name of a service: the longest name that Kubernetes has is 253.
const MAX_SERVICE_BYTES: usize = 256;

/// What has no name is called so (<https://opentelemetry.io/docs/specs/semconv/resource/#service>).
const UNKNOWN: &str = "unknown_service";

/// The resources that somebody names.
#[derive(Debug, Default)]
pub struct Resources {
    by_service: HashMap<Arc<str>, Vec<Arc<Resource>>>,
    n: usize,
}

// === impl Resources ===

impl Resources {
    /// The one of these attributes, among which `service.name` is. Where there are too many, and all
    /// are in use, it is kept by its name alone.
    pub fn named(&mut self, mut attributes: Attributes, limits: &SpanLimits) -> Arc<Resource> {
        let service = attributes.get("service.name").and_then(|name| name.as_text()).unwrap_or_default();
        let service: Arc<str> = match service {
            "" => UNKNOWN.into(),
            name => name[..name.floor_char_boundary(MAX_SERVICE_BYTES)].into(),
        };
        attributes.retain(|name, _| &**name != "service.name");
        limits.bound_attributes(&mut attributes, &mut 0);
        while attributes.n_bytes() > MAX_RESOURCE_BYTES {
            let _ = attributes.pop();
        }
        self.shared(Resource { service, resource: attributes })
    }

    fn shared(&mut self, resource: Resource) -> Arc<Resource> {
        let known = self.by_service.get(&resource.service).into_iter().flatten();
        if let Some(known) = known.into_iter().find(|known| ***known == resource) {
            return known.clone();
        }
        if self.n >= MAX_RESOURCES {
            self.forget_unused();
        }
        if self.n >= MAX_RESOURCES {
            return Arc::new(Resource { service: resource.service, resource: Attributes::default() });
        }
        let resource = Arc::new(resource);
        self.by_service.entry(resource.service.clone()).or_default().push(resource.clone());
        self.n += 1;
        resource
    }

    fn forget_unused(&mut self) {
        self.by_service.retain(|_, resources| {
            resources.retain(|resource| Arc::strong_count(resource) > 1);
            !resources.is_empty()
        });
        self.n = self.by_service.values().map(Vec::len).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(service: &str, pid: i64) -> Attributes {
        let mut attributes = Attributes::default();
        attributes.push("service.name", service);
        attributes.push("process.pid", pid);
        attributes
    }

    #[test]
    fn equal_resources_are_one() {
        let (mut resources, limits) = (Resources::default(), SpanLimits::default());
        let first = resources.named(of("cart", 1), &limits);
        assert!(Arc::ptr_eq(&first, &resources.named(of("cart", 1), &limits)));
        assert!(!Arc::ptr_eq(&first, &resources.named(of("cart", 2), &limits)));
        assert_eq!(&*resources.named(Attributes::default(), &limits).service, "unknown_service");
        assert_eq!(first.resource.get("service.name"), None);
    }

    #[test]
    fn too_many_are_kept_by_name_until_some_are_unused() {
        let (mut resources, limits) = (Resources::default(), SpanLimits::default());
        let held: Vec<_> = (0..512).map(|pid| resources.named(of("cart", pid), &limits)).collect();
        assert!(resources.named(of("cart", 512), &limits).resource.is_empty());
        drop(held);
        assert!(!resources.named(of("cart", 512), &limits).resource.is_empty());
    }
}
