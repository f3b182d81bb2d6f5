//! `spur get`: tables that the server makes, or the objects themselves.
//! Following changes is left to `follow`.

mod follow;

use anyhow::{Result, bail};
use serde_json::{Value, json};
use spur_api::{Kind, Scope, meta};

use crate::args::{Format, GetArgs};
use crate::client::{ApiError, Client, JSON};
use crate::console::Console;
use crate::error::{Exit, Failure};
use crate::kinds::{self, Target};
use crate::render::{self, Objects};
use crate::table::{Aligned, Columns, Rows};

/// The form that asks for a `Table`; a server that has none sends the objects.
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

/// Objects per page, as `kubectl --chunk-size`.
const PAGE: &str = "500";

/// What is asked for.
struct Scoped<'a> {
    args: &'a GetArgs,
    client: &'a Client,
    /// `None` for every namespace.
    namespace: Option<&'a str>,
}

/// Every object of a kind, or those that were named.
struct Found {
    kind: &'static Kind,
    /// The pages of the list, or one answer per name.
    answers: Vec<Value>,
    is_named: bool,
}

/// Runs `spur get`.
pub(crate) async fn run(args: &GetArgs, client: &Client, console: &mut Console) -> Result<Exit> {
    let targets = kinds::targets(client, &args.what).await?;
    let namespace = args.namespace.as_deref().unwrap_or(client.namespace());
    let scoped = Scoped { args, client, namespace: (!args.all_namespaces).then_some(namespace) };
    if args.all_namespaces && targets.iter().any(|target| target.name.is_some()) {
        bail!(Failure::usage("an object cannot be named across all namespaces").hint("name one with -n"));
    }
    if args.watch {
        return follow::follow(&scoped, &targets, console).await;
    }
    let (found, exit) = scoped.find(&targets, console).await?;
    match &args.output {
        None | Some(Format::Wide) => print_tables(&scoped, &found, console)?,
        Some(format) => {
            let is_one = found.len() == 1 && found[0].is_named && found[0].answers.len() == 1;
            let mut objects: Vec<Value> = found.into_iter().flat_map(Found::into_objects).collect();
            if objects.is_empty() && exit != Exit::Success {
                return Ok(exit);
            }
            let objects = match objects.pop() {
                Some(one) if is_one => Objects::One(one),
                Some(last) => {
                    objects.push(last);
                    Objects::Many(objects)
                }
                None => Objects::Many(objects),
            };
            console.bytes(render::objects(format, objects)?.as_bytes())?;
        }
    }
    Ok(exit)
}

fn print_tables(scoped: &Scoped<'_>, found: &[Found], console: &mut Console) -> Result<()> {
    let has_several = found.len() > 1;
    let mut is_first = true;
    for Found { kind, answers, .. } in found {
        let columns = scoped.columns(kind);
        let (mut shown, mut header, mut rows) = (Vec::new(), Vec::new(), Vec::new());
        for table in answers {
            let page = Rows::read(table, columns, &mut shown);
            if !page.header.is_empty() {
                header = page.header;
            }
            rows.extend(page.rows);
        }
        if rows.is_empty() {
            continue;
        }
        if has_several {
            let name_at = usize::from(columns.has_namespace);
            for name in rows.iter_mut().filter_map(|row| row.get_mut(name_at)) {
                *name = kinds::named(kind, name);
            }
        }
        if !is_first {
            console.line("")?;
        }
        is_first = false;
        let mut aligned = Aligned::default();
        let lines = (!scoped.args.no_headers).then_some(&header).into_iter().chain(&rows);
        aligned.fit(lines.clone());
        for line in lines {
            console.line(&aligned.line(line))?;
        }
    }
    let is_listing = found.iter().any(|found| !found.is_named);
    if is_first && is_listing && !scoped.args.ignore_not_found {
        console.talk(&scoped.nothing_found(found));
    }
    Ok(())
}

// === impl Scoped ===

impl Scoped<'_> {
    /// Asks for every target; what does not exist is told, and the rest goes on.
    async fn find(&self, targets: &[Target], console: &mut Console) -> Result<(Vec<Found>, Exit)> {
        let mut found: Vec<Found> = Vec::new();
        let mut exit = Exit::Success;
        for Target { kind, name } in targets {
            let answers = match name {
                None => self.list(kind).await,
                Some(name) => {
                    let path = kinds::object_path(kind, self.namespace.unwrap_or_default(), name);
                    self.client.get_as(&path, self.accept()).await.map(|object| vec![object])
                }
            };
            match answers {
                Ok(answers) => match found.last_mut() {
                    Some(last) if name.is_some() && last.kind.kind == kind.kind => {
                        last.answers.extend(answers);
                    }
                    _ => found.push(Found { kind, answers, is_named: name.is_some() }),
                },
                Err(error) if error.is_not_found() && self.args.ignore_not_found => {}
                Err(ApiError::Status(status)) if name.is_some() && status.code == 404 => {
                    console.talk(&format!("{} {status}", console.talk_paint().red("error:")));
                    exit = Exit::Failed;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok((found, exit))
    }

    /// Every page of a kind's list.
    async fn list(&self, kind: &Kind) -> Result<Vec<Value>, ApiError> {
        let mut pages = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let path = self.list_path(kind, &[("limit", Some(PAGE)), ("continue", next.as_deref())]);
            let page = self.client.get_as(&path, self.accept()).await?;
            let token = meta::text(&page, "/metadata/continue").to_owned();
            pages.push(page);
            if token.is_empty() {
                return Ok(pages);
            }
            next = Some(token);
        }
    }

    fn list_path(&self, kind: &Kind, more: &[(&str, Option<&str>)]) -> String {
        let mut pairs = vec![
            ("labelSelector", self.args.selector.as_deref()),
            ("fieldSelector", self.args.field_selector.as_deref()),
        ];
        pairs.extend_from_slice(more);
        kinds::collection_path(kind, self.namespace) + &kinds::query(&pairs)
    }

    fn accept(&self) -> &'static str {
        match self.args.output {
            None | Some(Format::Wide) => TABLE,
            Some(Format::Json | Format::Yaml | Format::Name | Format::JsonPath(_)) => JSON,
        }
    }

    fn columns(&self, kind: &Kind) -> Columns {
        Columns {
            is_wide: self.args.output == Some(Format::Wide),
            has_namespace: self.namespace.is_none() && kind.scope == Scope::Namespaced,
            has_labels: self.args.show_labels,
        }
    }

    fn nothing_found(&self, found: &[Found]) -> String {
        let is_namespaced = found.iter().any(|found| found.kind.scope == Scope::Namespaced);
        match self.namespace {
            Some(namespace) if is_namespaced => format!("No resources found in {namespace} namespace."),
            _ => "No resources found".to_owned(),
        }
    }
}

// === impl Found ===

impl Found {
    /// The objects with their kind, which lists leave out.
    fn into_objects(self) -> Vec<Value> {
        let kind = self.kind;
        let of_answer = |mut answer: Value| match answer.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) if !self.is_named => items,
            _ => vec![answer],
        };
        self.answers.into_iter().flat_map(of_answer).map(|object| with_kind(kind, object)).collect()
    }
}

/// The object with `apiVersion` and `kind` first.
fn with_kind(kind: &Kind, object: Value) -> Value {
    let mut whole = json!({"apiVersion": kind.api_version(), "kind": kind.kind});
    if let (Some(whole), Value::Object(fields)) = (whole.as_object_mut(), object) {
        whole.extend(fields);
    }
    whole
}
