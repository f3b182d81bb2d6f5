//! What a failed handshake with an upstream means.

use std::io;

use rustls::{CertificateError, Error};
use spur_trace::TlsFault;

/// What went wrong, by rustls' own error inside.
pub(crate) fn of_handshake(error: &io::Error) -> TlsFault {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::InvalidCertificate(error)) => of_certificate(error),
        Some(Error::AlertReceived(_) | Error::PeerIncompatible(_)) => TlsFault::Refused,
        Some(Error::InvalidMessage(_) | Error::InappropriateMessage { .. }) => TlsFault::NoTls,
        Some(Error::NoCertificatesPresented) => TlsFault::BadCertificate,
        Some(_) | None => TlsFault::Broken,
    }
}

fn of_certificate(error: &CertificateError) -> TlsFault {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsFault::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => TlsFault::NotValidYet,
        // A bad signature is that of another authority with the same name.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => TlsFault::UnknownIssuer,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            TlsFault::OtherName
        }
        _ => TlsFault::BadCertificate,
    }
}
