//! What a hop's client sends and gets, kept beside the streams as they pass.
//!
//! Of which requests is decided in `request`, by the policy and the verdict; what happens with it
//! afterwards is the collector's.

use std::{
    cell::{RefCell, RefMut},
    time::Duration,
};

use http::{HeaderMap, request::Parts};
use spur_trace::{Capture, CapturedBody, CapturedRequest, CapturedResponse, HopId, own_headers, own_target};

use crate::sanitise::Clean;

/// A hop's capture while it is filled in; empty where nothing is captured.
#[derive(Debug, Default)]
pub(crate) struct Capturing(RefCell<Option<Box<Capture>>>);

/// A request's head, as it came; `has_body` where a body comes after it.
pub(crate) fn head(parts: &Parts, clean: &Clean, (has_body, is_tls): (bool, bool)) -> Box<CapturedRequest> {
    Box::new(CapturedRequest {
        method: parts.method.clone(),
        is_tls,
        authority: clean.host.as_ref().map(|host| host.as_str().into()),
        target: own_target(clean.target.as_str()),
        http_version: parts.version,
        headers: own_headers(&parts.headers),
        body: CapturedBody { has_ended: !has_body, ..CapturedBody::default() },
        ended: None,
    })
}

// === impl Capturing ===

impl Capturing {
    pub(crate) fn new(id: HopId, head: Option<Box<CapturedRequest>>) -> Self {
        Self(RefCell::new(
            head.map(|request| {
                Box::new(Capture { id, is_redacted: false, request: *request, response: None })
            }),
        ))
    }

    /// Data of the client's body.
    pub(crate) fn request_data(&self, data: &[u8]) {
        if let Some(mut request) = self.request() {
            request.body.add(data);
        }
    }

    /// The client's body has ended.
    pub(crate) fn request_ended(&self, after: Duration) {
        if let Some(mut request) = self.request().filter(|request| !request.body.has_ended) {
            request.body.has_ended = true;
            request.ended = Some(after);
        }
    }

    /// The head of what the client gets.
    pub(crate) fn response_head(&self, status: u16, headers: &HeaderMap, began: Duration) {
        if let Some(capture) = &mut *self.0.borrow_mut() {
            capture.response = Some(CapturedResponse {
                status,
                began,
                headers: own_headers(headers),
                body: CapturedBody::default(),
                trailers: HeaderMap::new(),
            });
        }
    }

    /// Data of its body.
    pub(crate) fn response_data(&self, data: &[u8]) {
        if let Some(mut response) = self.response() {
            response.body.add(data);
        }
    }

    /// Its trailers.
    pub(crate) fn response_trailers(&self, trailers: &HeaderMap) {
        if let Some(mut response) = self.response() {
            response.trailers = own_headers(trailers);
        }
    }

    /// Its body has ended.
    pub(crate) fn response_ended(&self) {
        if let Some(mut response) = self.response() {
            response.body.has_ended = true;
        }
    }

    /// What was captured, once.
    pub(crate) fn take(&self) -> Option<Box<Capture>> {
        self.0.borrow_mut().take()
    }

    /// Whether there is anything to be filled in.
    pub(crate) fn is_on(&self) -> bool {
        self.0.borrow().is_some()
    }

    fn request(&self) -> Option<RefMut<'_, CapturedRequest>> {
        let capture = RefMut::filter_map(self.0.borrow_mut(), |capture| capture.as_mut());
        Some(RefMut::map(capture.ok()?, |capture| &mut capture.request))
    }

    fn response(&self) -> Option<RefMut<'_, CapturedResponse>> {
        RefMut::filter_map(self.0.borrow_mut(), |capture| capture.as_mut()?.response.as_mut()).ok()
    }
}
