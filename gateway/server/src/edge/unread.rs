//! Heads that pingora could not read: they are answered in the words of their host, and entered, like every other refusal.

use std::sync::Arc;

use catalog::{Host, Unidentified};
use domain::RequestId;
use pipeline::{Answer, Ending, Trail};

use super::spoken::Broken;
use super::wire::{Link, Refuser};
use super::{Edge, accept, reply};

impl Refuser for Edge {
    fn broken(&self, what: Broken) {
        self.gateway.meters.connection_closed(what.reason());
    }

    fn refuse(&self, link: &Link, status: u16) -> Vec<u8> {
        self.gateway.meters.connection_closed(if status == 408 { "cut_in_head" } else { "bad_head" });
        if self.gateway.hear(link.peer.ip().to_canonical(), self.gateway.clock.tick()).is_err() {
            // Not answered, so that nothing need be recorded: the connection just ends.
            return Vec::new();
        }
        let (bytes, ends) = link.head();
        let large = bytes > self.bounds.max_header_bytes as u64 || ends > self.bounds.max_headers as u64 + 1;
        let answer = match status {
            405 => Answer::Unidentified(Unidentified::MethodNotAllowed { allow: String::new() }),
            408 => Answer::HeadLate,
            _ if large => Answer::HeadTooLarge,
            _ => Answer::BadHead("head is not well-formed HTTP"),
        };
        let configuration = self.gateway.configuration();
        let catalog = &configuration.catalog;
        let host = link.name().and_then(|it| catalog.host(it));
        let dialect = host.map_or(catalog.unclaimed(), Host::dialect);
        let id = RequestId::draw(&*self.gateway.random);
        let facts = accept::facts_of_line(catalog, link, (id, self.gateway.clock.now()));
        let mut trail = Trail::begin(Arc::clone(&self.gateway), Arc::clone(&configuration), facts);
        if let Some(profile) = host.and_then(|it| catalog.profiles().get(it.speaker())) {
            trail.asked_of(&profile.api.name);
        }
        trail.refuse(&answer);
        let (status, head, body) = reply::bare(&answer, dialect, link, &id);
        let ending = Ending { status: Some(status), bytes_out: body.len() as u64, whole: true, ..Ending::default() };
        trail.settle_at_once(ending);
        [head.into_bytes(), body.to_vec()].concat()
    }
}
