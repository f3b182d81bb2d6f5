//! Objects from files: for who has no API server, as `spur proxy` and `spur rules test`.
//!
//! Reading the files themselves is left to the caller.

use std::cell::OnceCell;
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use serde_json::{Value, json};
use spur_api::yaml::{self, Place, Places};
use spur_route::RoutingTable;

use crate::Fragment;
pub use crate::assembly::Addresses;
use crate::assembly::Assembly;

/// A file's text and what it is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its path, for messages.
    pub path: String,
    /// What is in it.
    pub text: String,
}

/// Something wrong in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file.
    pub path: String,
    /// The place in it; `None` where that is not known.
    pub place: Option<Place>,
    /// What is wrong.
    pub message: String,
}

/// Something right in a file that is not obeyed.
pub type Remark = Fault;

/// What files come to.
#[derive(Debug)]
pub struct FromFiles {
    /// The table of all objects.
    pub table: RoutingTable,
    /// What of them is not obeyed.
    pub remarks: Vec<Remark>,
    /// How many objects say something about routes.
    pub n_objects: usize,
    /// The names whose addresses are endpoints.
    pub names: Arc<BTreeSet<Box<str>>>,
}

/// Files, and what each of them says: one that is as it was is not read again.
#[derive(Debug, Default)]
pub struct Files(Vec<(File, Reader)>);

// === impl Files ===

impl Files {
    /// Takes these in the place of those before; whether any differs.
    pub fn set(&mut self, files: Vec<File>) -> bool {
        let is_same =
            self.0.len() == files.len() && self.0.iter().zip(&files).all(|((old, _), new)| old == new);
        if is_same {
            return false;
        }
        let before = std::mem::take(&mut self.0).into_iter().map(|read| (read.0.path.clone(), read));
        let mut before: HashMap<String, (File, Reader)> = before.collect();
        let read = files.into_iter().map(|file| match before.remove(&file.path) {
            Some((old, reader)) if old == file => (file, reader),
            _ => {
                let mut reader = Reader::default();
                reader.read(&file);
                (file, reader)
            }
        });
        self.0 = read.collect();
        true
    }

    /// Makes the table that the objects come to, with the addresses that names have, as far as they
    /// are known. Kinds that say nothing about routes are passed over.
    ///
    /// # Errors
    /// Everything that is wrong, in all files: there is no table then.
    pub fn table(&self, revision: u64, addresses: &Addresses) -> Result<FromFiles, Vec<Fault>> {
        let faults: Vec<Fault> = self.0.iter().flat_map(|(_, read)| &read.faults).cloned().collect();
        if !faults.is_empty() {
            return Err(faults);
        }
        let fragments: Vec<Fragment> = self.0.iter().flat_map(|(_, read)| &read.fragments).cloned().collect();
        let mut assembly = Assembly::of(&fragments);
        for (name, addresses) in addresses {
            assembly.resolve(name, addresses.clone());
        }
        let remarks = self.0.iter().flat_map(|(_, read)| &read.remarks).cloned().collect();
        let table = RoutingTable::of(revision, assembly.specs());
        Ok(FromFiles { table, remarks, n_objects: fragments.len(), names: assembly.names() })
    }
}

/// The table of files that are read once ([`Files::table`]).
///
/// # Errors
/// As there.
pub fn table_of(revision: u64, files: &[File], addresses: &Addresses) -> Result<FromFiles, Vec<Fault>> {
    let mut read = Files::default();
    read.set(files.to_vec());
    read.table(revision, addresses)
}

/// What one file says.
#[derive(Debug, Default)]
struct Reader {
    fragments: Vec<Fragment>,
    faults: Vec<Fault>,
    remarks: Vec<Remark>,
}

// === impl Reader ===

impl Reader {
    fn read(&mut self, file: &File) {
        // Where things stand is a second reading, which only what there is to tell needs.
        let places = OnceCell::new();
        let places = || places.get_or_init(|| yaml::places(&file.text).unwrap_or_default());
        match yaml::documents(&file.text) {
            Ok(documents) => {
                for (nth, object) in documents.into_iter().enumerate() {
                    self.read_object(&file.path, object, &|| places().get(nth));
                }
            }
            Err(error) => {
                let place = error.line.zip(error.column).map(|(line, column)| Place { line, column });
                self.faults.push(Fault { path: file.path.clone(), place, message: error.message });
            }
        }
    }

    fn read_object<'a>(&mut self, path: &str, mut object: Value, places: &impl Fn() -> Option<&'a Places>) {
        if object["kind"] == "List" {
            let items = object["items"].as_array_mut().map(std::mem::take).unwrap_or_default();
            for item in items {
                self.read_object(path, item, places);
            }
            return;
        }
        complete(&mut object);
        let what = name_of(&object);
        let fault = |place, message: &str| Fault {
            path: path.to_owned(),
            place,
            message: format!("{what}: {message}"),
        };
        let start = || places().map(Places::start);
        let at = |field: &str| places().map(|places| places.field(field));
        if object["kind"].as_str().is_none() || object["apiVersion"].as_str().is_none() {
            self.faults.push(fault(start(), "found no object, want a map with `apiVersion` and `kind`"));
            return;
        }
        if let Some(reading) = spur_istio::read(&object) {
            let faults = reading.faults.iter();
            self.faults.extend(faults.map(|one| fault(at(&one.path), &one.to_string())));
            let unsupported = reading.unsupported.iter();
            self.remarks
                .extend(unsupported.map(|one| fault(at(&one.path), &format!("{}: {}", one.path, one.why))));
            if !reading.faults.is_empty() {
                return;
            }
        }
        match Fragment::of(&object) {
            Ok(fragment) => self.fragments.extend(fragment),
            Err(error) => self.faults.push(fault(start(), &error.to_string())),
        }
    }
}

/// Fills in what a server would: the namespace, and a sandbox's key.
fn complete(object: &mut Value) {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    metadata.entry("namespace").or_insert_with(|| json!("default"));
    let name = metadata.get("name").cloned().unwrap_or_default();
    if object["kind"] == "Sandbox" && object["status"]["routingKey"].as_str().is_none() {
        let asked = object["spec"]["routingKey"].clone();
        object["status"]["routingKey"] = if asked.is_string() { asked } else { name };
    }
}

fn name_of(object: &Value) -> String {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or("?").to_owned();
    format!("{} {}/{}", text("/kind"), text("/metadata/namespace"), text("/metadata/name"))
}

// === impl Fault ===

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, place, message } = self;
        match place {
            Some(place) => write!(f, "{path}:{place}: {message}"),
            None => write!(f, "{path}: {message}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spur_route::Question;

    const SHOP: &str = "\
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: shop}
spec: {ports: [{port: 80, name: http}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: cart-1, namespace: shop, labels: {kubernetes.io/service-name: cart, version: v1}}
addressType: IPv4
ports: [{port: 9001, name: http}]
endpoints: [{addresses: [127.0.0.1]}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart, namespace: shop}
";

    fn file(text: &str) -> File {
        File { path: "a.yaml".to_owned(), text: text.to_owned() }
    }

    #[test]
    fn files_make_a_table() {
        let read = table_of(3, &[file(SHOP)], &Addresses::new()).unwrap();
        assert_eq!((read.n_objects, read.remarks.len()), (2, 0));
        let question = Question::new("GET", "http://cart.shop.localhost/").unwrap();
        let verdict = question.decide(&read.table);
        assert_eq!(verdict.backends()[0].address, ([127, 0, 0, 1], 9001).into());
    }

    #[test]
    fn every_fault_has_its_place() {
        let rules = "\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: cart}
spec:
  hosts: [cart]
  http:
  - route:
    - destination: {host: cart}
      weight: -5
  - timeout: 1s
";
        let faults =
            table_of(1, &[file(rules), file("a: [1\n"), file("kind: A\n")], &Addresses::new()).unwrap_err();
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(
            faults[0],
            "a.yaml:9:15: VirtualService default/cart: spec.http[0].route[0].weight: Invalid value: -5: must be a number from 0 on"
        );
        assert!(
            faults[1].starts_with("a.yaml:10:5: VirtualService default/cart: spec.http[1].route: Required")
        );
        assert!(faults[2].starts_with("a.yaml:1:4: "), "{}", faults[2]);
        assert!(faults[3].ends_with("want a map with `apiVersion` and `kind`"), "{}", faults[3]);
    }

    #[test]
    fn a_sandboxs_key_is_its_name_unless_it_says_another() {
        let sandbox = "\
apiVersion: spur.dev/v1alpha1
kind: Sandbox
metadata: {name: pr-1, namespace: shop}
spec: {forks: []}
";
        let named = |text: &str| {
            let read = table_of(1, &[file(SHOP), file(text)], &Addresses::new()).unwrap();
            let question = Question::new("GET", "http://pr-1--cart.shop.localhost/").unwrap();
            question.decide(&read.table).key.map(|key| key.value.to_string())
        };
        assert_eq!(named(sandbox).as_deref(), Some("pr-1"));
        assert_eq!(named(&sandbox.replace("spec: {", "spec: {routingKey: k, ")).as_deref(), Some("k"));
    }

    #[test]
    fn what_is_not_obeyed_is_remarked() {
        let rules = "\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: cart}
spec:
  hosts: [cart]
  http:
  - route: [{destination: {host: cart}}]
    fault: {abort: {httpStatus: 500}}
";
        let remarks = table_of(1, &[file(rules)], &Addresses::new()).unwrap().remarks;
        assert!(
            remarks[0].to_string().starts_with(
                "a.yaml:8:12: VirtualService default/cart: spec.http[0].fault: not supported yet"
            )
        );
    }

    #[test]
    fn what_has_changed_is_read_and_the_rest_stays() {
        let named = |path: &str, text: &str| File { path: path.to_owned(), text: text.to_owned() };
        let (broken, moved) = ("a: [1\n", SHOP.replace("9001", "9002"));
        let mut files = Files::default();
        for (shop, other, is_news) in [
            (SHOP, "", true),
            (SHOP, "", false),
            (SHOP, broken, true),
            (&moved, broken, true),
            (&moved, "", true),
            (SHOP, "", true),
        ] {
            let now = vec![named("shop.yaml", shop), named("other.yaml", other)];
            assert_eq!(files.set(now.clone()), is_news);
            let (kept, anew) = (files.table(1, &Addresses::new()), table_of(1, &now, &Addresses::new()));
            match (kept, anew) {
                (Ok(kept), Ok(anew)) => assert_eq!(kept.table, anew.table),
                (Err(kept), Err(anew)) => assert_eq!(kept, anew),
                (kept, anew) => panic!("{kept:?} and {anew:?}"),
            }
        }
        assert!(files.set(vec![named("shop.yaml", SHOP)]), "one is gone");
    }
}
