//! `spur get -w`: the objects, and then every change until the server stops or
//! the user does.

use anyhow::{Result, bail};
use serde_json::Value;
use spur_api::{Scope, meta};

use super::{Scoped, with_kind};
use crate::args::Format;
use crate::console::Console;
use crate::error::{Exit, Failure};
use crate::kinds::{self, Target};
use crate::render::{self, Objects};
use crate::table::{Aligned, Rows};
use crate::watch::{Change, Watch};

/// Prints what is there and then what changes.
pub(super) async fn follow(scoped: &Scoped<'_>, targets: &[Target], console: &mut Console) -> Result<Exit> {
    let [Target { kind, name }] = targets else {
        bail!(Failure::usage("only one kind or object can be watched at a time"));
    };
    let path = path(scoped, kind, name.as_deref())?;
    let list = scoped.client.get_as(&path, scoped.accept()).await?;
    let mut resource_version = meta::text(&list, "/metadata/resourceVersion").to_owned();
    let mut printer = Printer { scoped, kind, shown: Vec::new(), aligned: Aligned::default() };
    printer.list(list, console)?;
    // The server ends a watch after a while; it is taken up where it ended.
    loop {
        let mut watch = Watch::start(scoped.client, &path, &resource_version, scoped.accept()).await?;
        while let Some(change) = watch.next().await? {
            let (Change::There(object) | Change::Gone(object)) = change;
            let revision = match scoped.args.output {
                None | Some(Format::Wide) => meta::text(&object, "/metadata/resourceVersion"),
                Some(_) => meta::resource_version(&object),
            };
            if !revision.is_empty() {
                revision.clone_into(&mut resource_version);
            }
            printer.change(object, console)?;
        }
    }
}

fn path(scoped: &Scoped<'_>, kind: &'static spur_api::Kind, name: Option<&str>) -> Result<String> {
    let Some(name) = name else {
        return Ok(scoped.list_path(kind, &[]));
    };
    if scoped.args.field_selector.is_some() || scoped.args.selector.is_some() {
        bail!(Failure::usage("an object that is named cannot be selected by labels or fields as well"));
    }
    let selector = format!("metadata.name={name}");
    let namespace = scoped.namespace.filter(|_| kind.scope == Scope::Namespaced);
    Ok(kinds::collection_path(kind, namespace) + &kinds::query(&[("fieldSelector", Some(&selector))]))
}

struct Printer<'a> {
    scoped: &'a Scoped<'a>,
    kind: &'static spur_api::Kind,
    shown: Vec<usize>,
    aligned: Aligned,
}

// === impl Printer ===

impl Printer<'_> {
    fn list(&mut self, mut list: Value, console: &mut Console) -> Result<()> {
        if matches!(self.scoped.args.output, None | Some(Format::Wide)) {
            return self.table(&list, console);
        }
        if let Some(items) = list.get_mut("items").and_then(Value::as_array_mut) {
            for object in items.drain(..) {
                self.object(object, console)?;
            }
        }
        Ok(())
    }

    fn change(&mut self, object: Value, console: &mut Console) -> Result<()> {
        match self.scoped.args.output {
            None | Some(Format::Wide) => self.table(&object, console),
            Some(_) => self.object(object, console),
        }
    }

    fn table(&mut self, table: &Value, console: &mut Console) -> Result<()> {
        let is_first = self.shown.is_empty();
        let Rows { header, rows } = Rows::read(table, self.scoped.columns(self.kind), &mut self.shown);
        let header = (is_first && !rows.is_empty() && !self.scoped.args.no_headers).then_some(&header);
        if rows.is_empty() && is_first {
            // The header comes with the first row.
            self.shown.clear();
        }
        let lines = header.into_iter().chain(&rows);
        self.aligned.fit(lines.clone());
        for line in lines {
            console.line(&self.aligned.line(line))?;
        }
        Ok(())
    }

    fn object(&self, object: Value, console: &mut Console) -> Result<()> {
        if let Some(format) = &self.scoped.args.output {
            let object = Objects::One(with_kind(self.kind, object));
            console.bytes(render::objects(format, object)?.as_bytes())?;
        }
        Ok(())
    }
}
