//! What rustls makes of the table's certificates: once for each text, shared by all workers, so
//! that a Secret that changes holds from the next handshake on, and one that does not keeps its
//! clients' tickets.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use spur_net::{
    AskedClients, Originate, OriginateTerms, Terminate, TerminateTerms, TlsError, Trust, Versions,
};
use spur_route::{
    ClientCertificates, Credential, Inside, RoutingTable, TlsEnd, TlsServer, TlsTerms, TlsVersion,
    policy::UpstreamTls,
};
use spur_trace::TlsFault;
use tracing::warn;

/// Sorts of TLS with upstreams that are remembered. DestinationRules make them, and each change of
/// a Secret makes one more; beyond it all are made anew, and the connections with them.
const N_ORIGINATES_MAX: usize = 1024;

/// What was made so far.
#[derive(Debug, Default)]
pub(crate) struct Configs {
    /// Guards what was made for gateways' servers; `None`: it cannot be made.
    terminate: Mutex<HashMap<Arc<TlsServer>, Option<Terminate>>>,
    /// Guards what was made for DestinationRules.
    originate: Mutex<HashMap<UpstreamTls, Option<Arc<Originate>>>>,
}

// === impl Configs ===

impl Configs {
    /// How a server of this table ends TLS; `None` where it passes connections on, and where its
    /// certificates are not there or cannot be used.
    pub(crate) fn terminate(&self, table: &RoutingTable, server: &Arc<TlsServer>) -> Option<Terminate> {
        let TlsEnd::Here { terms, inside, credential } = &server.end else { return None };
        let mut made = lock(&self.terminate);
        if let Some(found) = made.get(server) {
            return found.clone();
        }
        // As many stay as the table has.
        made.retain(|known, _| table.tls_servers().any(|server| server == known));
        let terminate = match credential {
            Some(credential) => end_clients((terms, *inside), credential)
                .inspect_err(|error| tell_unusable(&server.gateway, &terms.credential, error))
                .ok(),
            None => {
                warn!(
                    gateway.name = %server.gateway,
                    "the Secret `{}` of gateway `{}` is not there, and its server is not served",
                    terms.credential,
                    server.gateway,
                );
                None
            }
        };
        made.insert(Arc::clone(server), terminate.clone());
        terminate
    }

    /// How TLS is spoken with upstreams.
    ///
    /// # Errors
    /// When the certificates are not there or cannot be used.
    pub(crate) fn originate(&self, tls: &UpstreamTls) -> Result<Arc<Originate>, TlsFault> {
        let mut made = lock(&self.originate);
        if let Some(found) = made.get(tls) {
            return found.clone().ok_or(TlsFault::Credential);
        }
        if made.len() >= N_ORIGINATES_MAX {
            made.clear();
        }
        let originate = speak_to(tls).map(Arc::new);
        made.insert(tls.clone(), originate.clone());
        originate.ok_or(TlsFault::Credential)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn end_clients((terms, inside): (&TlsTerms, Inside), held: &Credential) -> Result<Terminate, TlsError> {
    let text = |text: &Option<Arc<str>>| text.as_deref().unwrap_or_default().to_owned();
    let (certificate, key, authorities) =
        (text(&held.certificate_pem), text(&held.key_pem), text(&held.ca_pem));
    Terminate::new(TerminateTerms {
        certificate_pem: &certificate,
        key_pem: &key,
        clients: match terms.clients {
            ClientCertificates::NotAsked => AskedClients::None,
            ClientCertificates::Optional => AskedClients::Optional(&authorities),
            ClientCertificates::Required => AskedClients::Required(&authorities),
        },
        versions: match (terms.oldest, terms.newest) {
            (TlsVersion::V1_2, TlsVersion::V1_2) => Versions::Only12,
            (TlsVersion::V1_3, _) => Versions::Only13,
            (TlsVersion::V1_2, TlsVersion::V1_3) => Versions::Both,
        },
        is_http: inside == Inside::Http,
    })
}

/// `None` where the Secret that is named is not there or of no use.
fn speak_to(tls: &UpstreamTls) -> Option<Originate> {
    let UpstreamTls { sni: _, subject_alt_names, is_mutual, credential, held, skips_verification } = tls;
    let name = credential.as_deref().unwrap_or_default();
    if credential.is_some() && held.is_none() {
        warn!("the Secret `{name}` of a DestinationRule is not there, and its requests fail");
        return None;
    }
    let held = held.as_ref();
    let shown = held.and_then(|held| Some((held.certificate_pem.as_deref()?, held.key_pem.as_deref()?)));
    let shown = shown.filter(|_| *is_mutual);
    if *is_mutual && shown.is_none() {
        warn!("the Secret `{name}` of a DestinationRule has no certificate to show, and its requests fail");
        return None;
    }
    let trust = match held.and_then(|held| held.ca_pem.as_deref()) {
        _ if *skips_verification => Trust::Anybody,
        Some(pem) => Trust::Authorities(pem),
        None => Trust::System,
    };
    Originate::new(OriginateTerms { trust, names: subject_alt_names, shown })
        .inspect_err(|error| tell_unusable("a DestinationRule", name, error))
        .ok()
}

fn tell_unusable(whose: &str, secret: &str, error: &TlsError) {
    let source = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
    warn!("the Secret `{secret}` of `{whose}` cannot be used: {error}{source}");
}
