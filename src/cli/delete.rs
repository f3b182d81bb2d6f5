//! `spur delete`: objects by name, by label, or as they stand in files; waits
//! until they are gone.

use anyhow::{Result, bail};
use http::Method;
use serde_json::{Value, json};
use spur_api::{Kind, meta};

use crate::apply::place_in_namespace;
use crate::args::{Cascade, DeleteArgs};
use crate::client::{ApiError, Client, JSON};
use crate::console::Console;
use crate::error::{Exit, Failure};
use crate::kinds::{self, Target};
use crate::manifest::{self, Depth};
use crate::wait::{self, Condition, Deadline};

/// An object to delete.
struct Doomed {
    kind: &'static Kind,
    namespace: String,
    name: String,
}

/// Runs `spur delete`.
pub(crate) async fn run(args: &DeleteArgs, client: &Client, console: &mut Console) -> Result<Exit> {
    let doomed = match args.filename.as_slice() {
        [] => named(args, client).await?,
        files => in_files(args, files, client).await?,
    };
    if doomed.is_empty() {
        console.talk("No resources found");
        return Ok(Exit::Success);
    }
    let options = options(args);
    let mut exit = Exit::Success;
    let mut going = Vec::new();
    for object in doomed {
        let shown = kinds::named(object.kind, &object.name);
        match client.send(Method::DELETE, &object.path(), JSON, &options).await {
            Ok(answer) => {
                let verb = if args.force { "force deleted" } else { "deleted" };
                console.line(&format!("{shown} {verb}"))?;
                going.push((object, uid(&answer.value)));
            }
            Err(error) if error.is_not_found() && args.ignore_not_found => {}
            Err(error @ ApiError::Status(_)) => exit = crate::error::report(console, &error.into()),
            Err(error) => return Err(error.into()),
        }
    }
    if !args.no_wait {
        let deadline = args.timeout.map_or_else(Deadline::never, Deadline::after);
        for (object, uid) in going {
            let Doomed { kind, namespace, name } = &object;
            let gone = Condition::Gone { uid: Some(uid) };
            wait::until(client, kind, (namespace, name), &gone, deadline).await?;
        }
    }
    Ok(exit)
}

/// The objects that the words, `-l` and `--all` name.
async fn named(args: &DeleteArgs, client: &Client) -> Result<Vec<Doomed>> {
    let namespace = args.namespace.as_deref().unwrap_or(client.namespace());
    let mut doomed = Vec::new();
    for Target { kind, name } in kinds::targets(client, &args.what).await? {
        match name {
            Some(_) if args.all || args.selector.is_some() => {
                bail!(Failure::usage("a name cannot be given together with --all or -l"));
            }
            Some(name) => doomed.push(Doomed { kind, namespace: namespace.to_owned(), name }),
            None if !args.all && args.selector.is_none() => {
                let failure = Failure::usage(format!("which {}? no name is given", kind.plural));
                bail!(failure.hint("name them, select them with -l, or say --all"));
            }
            None => {
                let query = kinds::query(&[("labelSelector", args.selector.as_deref())]);
                let list = client.get(&(kinds::collection_path(kind, Some(namespace)) + &query)).await?;
                let found = meta::list(&list, "/items").iter().map(|object| Doomed {
                    kind,
                    namespace: meta::namespace(object).to_owned(),
                    name: meta::name(object).to_owned(),
                });
                doomed.extend(found);
            }
        }
    }
    Ok(doomed)
}

/// The objects in files, last first: what forks or uses others goes before them.
async fn in_files(args: &DeleteArgs, files: &[String], client: &Client) -> Result<Vec<Doomed>> {
    let depth = if args.recursive { Depth::Recursive } else { Depth::Flat };
    let mut doomed = Vec::new();
    for mut manifest in manifest::read_all_for(client, files, depth).await? {
        place_in_namespace(&mut manifest, args.namespace.as_deref(), client.namespace())?;
        doomed.push(Doomed {
            kind: manifest.kind,
            namespace: meta::namespace(&manifest.object).to_owned(),
            name: meta::name(&manifest.object).to_owned(),
        });
    }
    doomed.reverse();
    Ok(doomed)
}

/// The `DeleteOptions` of the request.
fn options(args: &DeleteArgs) -> Value {
    let policy = match args.cascade {
        Cascade::Background => "Background",
        Cascade::Foreground => "Foreground",
        Cascade::Orphan => "Orphan",
    };
    let mut options = json!({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": policy});
    let grace = if args.force { Some(0) } else { args.grace_period };
    if let Some(seconds) = grace {
        options["gracePeriodSeconds"] = json!(seconds);
    }
    options
}

/// The uid in an answer to a delete: the object, or a `Status` about it.
fn uid(answer: &Value) -> String {
    let of_status = meta::text(answer, "/details/uid");
    if of_status.is_empty() { meta::uid(answer).to_owned() } else { of_status.to_owned() }
}

// === impl Doomed ===

impl Doomed {
    fn path(&self) -> String {
        kinds::object_path(self.kind, &self.namespace, &self.name)
    }
}
