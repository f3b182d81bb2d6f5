//! `spur explain`: where a request would go, and why.

use anyhow::{Context, Result};
use spur_compile::files::{Addresses, table_of};
use spur_route::{Caller, Explanation, Question, RoutingTable};
use spur_trace::sanitize_for_terminal;

use crate::args::{ConnectionArgs, ExplainArgs};
use crate::client::Client;
use crate::connect;
use crate::console::Console;
use crate::environment::Environment;
use crate::error::{Exit, Failure};
use crate::manifest::{self, Depth};
use crate::{kinds, render};

/// A request in the words of the command line or of a file of cases.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: Option<String>,
    pub(crate) url: String,
    /// `NAME: VALUE`.
    pub(crate) headers: Vec<String>,
    pub(crate) from: Option<String>,
    pub(crate) draw: Option<String>,
}

/// Who knows where requests go.
pub(crate) enum Oracle {
    /// The table of a server.
    Server(Client),
    /// The table that files come to.
    Files(Box<RoutingTable>),
}

/// Runs `spur explain`.
pub(crate) async fn run(
    args: &ExplainArgs,
    connection: &ConnectionArgs,
    environment: &Environment,
    console: &mut Console,
) -> Result<Exit> {
    let ExplainArgs { request, headers, from, draw, filename, output } = args;
    let (method, url) = match &request[..] {
        [method, url, ..] => (Some(method.clone()), url.clone()),
        [url] => (None, url.clone()),
        [] => (None, String::new()),
    };
    let request =
        Request { method, url, headers: headers.clone(), from: from.clone(), draw: Some(draw.clone()) };
    // Words that make no request are told before anybody is asked.
    request.question()?;
    let oracle = Oracle::open(filename, connection, environment, console).await?;
    let explanation = oracle.explain(&request).await?;
    match output {
        Some(format) => {
            let value = serde_json::to_value(&explanation).context("failed to write the explanation")?;
            console.bytes(render::structured(*format, &value).as_bytes())?;
        }
        None => {
            for line in explanation.to_string().lines() {
                console.line(&sanitize_for_terminal(line))?;
            }
        }
    }
    Ok(Exit::Success)
}

// === impl Oracle ===

impl Oracle {
    /// Reads the files, if any are named, and otherwise finds the server.
    pub(crate) async fn open(
        filename: &[String],
        connection: &ConnectionArgs,
        environment: &Environment,
        console: &mut Console,
    ) -> Result<Self> {
        if filename.is_empty() {
            return Ok(Self::Server(connect::connect(connection, environment).await?));
        }
        let files = manifest::texts(filename, Depth::Flat)?;
        match table_of(0, &files, &Addresses::new()) {
            Ok(read) => {
                for name in &*read.names {
                    let why = "names are not resolved here, so that it has no endpoints";
                    console.talk(&format!("warning: `{}`: {why}", sanitize_for_terminal(name)));
                }
                for remark in &read.remarks {
                    console.talk(&format!("warning: {}", sanitize_for_terminal(&remark.to_string())));
                }
                Ok(Self::Files(Box::new(read.table)))
            }
            Err(faults) => {
                let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
                Err(Failure::usage(faults.join("\n")).into())
            }
        }
    }

    pub(crate) async fn explain(&self, request: &Request) -> Result<Explanation> {
        match self {
            Self::Files(table) => Ok(request.question()?.explain(table)),
            Self::Server(client) => {
                let found = client.get(&request.path()).await?;
                serde_json::from_value(found).context("failed to read the explanation")
            }
        }
    }
}

// === impl Request ===

impl Request {
    /// As the routing table takes it.
    ///
    /// # Errors
    /// When the words make no request; they are the user's.
    fn question(&self) -> Result<Question> {
        let usage = |error: spur_route::QuestionError| Failure::usage(error.to_string());
        let mut question =
            Question::new(self.method.as_deref().unwrap_or("GET"), &self.url).map_err(usage)?;
        for header in &self.headers {
            question = question.with_header(header).map_err(usage)?;
        }
        if let Some(draw) = &self.draw {
            question = question.with_draw(draw).map_err(usage)?;
        }
        if let Some(from) = &self.from {
            question = question.sent_by(from.parse::<Caller>().map_err(usage)?);
        }
        Ok(question)
    }

    fn path(&self) -> String {
        let mut pairs: Vec<(&str, Option<&str>)> = vec![
            ("method", self.method.as_deref()),
            ("url", Some(&self.url)),
            ("from", self.from.as_deref()),
            ("draw", self.draw.as_deref()),
        ];
        pairs.extend(self.headers.iter().map(|header| ("header", Some(header.as_str()))));
        format!("/spur/v1/explain{}", kinds::query(&pairs))
    }
}
