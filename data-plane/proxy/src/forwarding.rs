//! REQUEST 3b of 5: the request leaves from another server, which the link carries it to.
//!
//! The far server uses its own pool and answers as an origin would; why it has no answer decides who is asked next.
//! What has gone out and may have been acted on is never sent twice: only a request without body whose method may be
//! repeated is, once.

use crate::attempt::{ATTEMPTS, is_full, may_try_elsewhere, too_many_attempts};
use crate::exchange::{Attempted, Bound, Exchange};
use crate::relay::{Report, Waits};
use bytes::Bytes;
use egressway_core::error::Source;
use egressway_core::fleet::Server;
use egressway_core::side::ClientSide;
use egressway_core::{Code, Error, Framing};
use egressway_link::record::Calling;
use egressway_link::{Failed, LinkExchange, Verdict};
use std::sync::Arc;
use std::time::Duration;

/// The far server's own deadlines end first: it knows who is to blame.
const GRACE: Duration = Duration::from_secs(1);
/// Between the two servers an opening of a WebSocket needs no secret: each side has proved who it is.
const WEBSOCKET_KEY: &[u8] = b"ZWdyZXNzd2F5IGxpbmsgLi4uLg==";

impl<C: ClientSide> Exchange<'_, C> {
    /// Sends the request to `server`, to leave from there.
    pub(crate) async fn forward(&mut self, server: &Arc<Server>, to: Bound<'_>, may_wait: bool) -> Attempted {
        if self.retries.connections >= ATTEMPTS {
            return Attempted::Failed(too_many_attempts());
        }
        let calling = Calling { zone: &to.zone.id, origin: to.origin.socket_addr(), may_wait };
        let mut last = Error::because(Code::EgressServerUnreachable, "its connections take no stream");
        // A connection that takes no more streams says so to the first; the second gets another.
        for _ in 0..2 {
            let links = self.around.links;
            let seat = match self.while_client_waits(links.seat(server, self.around.worker)).await {
                Ok(seat) => seat,
                Err(error) if error.code.source() == Source::Client => return Attempted::Failed(error),
                Err(error) => return Attempted::Unreachable(error),
            };
            let mut exchange = LinkExchange::new(seat, calling);
            let key = self.request.is_websocket.then_some(WEBSOCKET_KEY);
            let waits = self.link_waits();
            let report = self.relay_over(&mut exchange, b"", to.forwarded, key, waits).await;
            self.note_exchange(&exchange);
            if report.error.is_none() {
                return Attempted::Done;
            }
            match self.judge_link(report, &mut exchange) {
                Attempted::Again(error) => last = Error { code: Code::EgressServerUnreachable, ..error },
                attempted => return attempted,
            }
        }
        Attempted::Unreachable(last)
    }

    fn link_waits(&self) -> Waits {
        let current = self.around.current;
        let settings = &current.tables.settings;
        let queue = Duration::from_millis(settings.queue_ms.into());
        let opening = 4 * (current.dial + current.origin_tls);
        Waits {
            first_byte: current.waits.first_byte + queue + opening + GRACE,
            body: current.waits.body + GRACE,
            tunnel_idle: current.waits.tunnel_idle + GRACE,
        }
    }

    fn note_exchange(&mut self, exchange: &LinkExchange<'_>) {
        if let Some(leg) = exchange.leg() {
            self.entry.egress = Some(leg.egress);
            self.entry.origin_protocol = Some(leg.protocol);
            self.entry.is_reused = leg.is_reused;
            self.entry.is_coalesced = leg.is_coalesced;
            self.entry.waited += leg.waited;
            (self.entry.dial, self.entry.tls) = (leg.dial, leg.tls);
        }
        self.entry.attempts += match exchange.verdict() {
            Verdict::Failed(failed) => failed.attempts,
            _ => exchange.leg().map_or(0, |leg| leg.attempts),
        };
    }

    /// What the failure over the link means for the request.
    fn judge_link(&mut self, report: Report, exchange: &mut LinkExchange<'_>) -> Attempted {
        let error = report.error.unwrap_or_else(|| Code::Internal.into());
        let verdict = exchange.verdict().clone();
        if !matches!(verdict, Verdict::Failed(_)) && error.code != Code::EgressServerLost {
            // Its client went away, or nothing came in time.
            exchange.reset();
            return Attempted::Failed(error);
        }
        let is_sendable = !report.is_answered
            && match exchange.take_kept() {
                Some(kept) => {
                    // What no server was given, because its connection took no stream, is here still.
                    let before = std::mem::take(&mut self.kept);
                    self.kept = joined(before, joined(kept, report.unsent));
                    self.is_body_gone = false;
                    true
                }
                None => !report.is_body_touched,
            };
        match verdict {
            _ if !is_sendable => Attempted::Failed(error),
            Verdict::Untouched => Attempted::Again(error),
            Verdict::Failed(failed) => {
                let weighed = weigh(&failed, error);
                match weighed {
                    Attempted::Elsewhere(_) => self.retries.connections += failed.attempts,
                    Attempted::Unreachable(_) => self.is_disputed = true,
                    _ => {}
                }
                weighed
            }
            Verdict::Lost => {
                let may_repeat = self.request.method.is_idempotent()
                    && self.request.framing == Framing::None
                    && !self.request.is_websocket
                    && !report.is_heard
                    && !std::mem::replace(&mut self.retries.has_repeated, true);
                if may_repeat { Attempted::Unreachable(error) } else { Attempted::Failed(error) }
            }
        }
    }
}

/// Who may be asked after the far server has said why it has no answer.
fn weigh(failed: &Failed, error: Error) -> Attempted {
    match failed.code {
        _ if !failed.is_untouched => Attempted::Failed(error),
        // Its tables are older or newer than ours, and say that the request is not for it.
        None | Some(Code::NoApplicableIp | Code::NoApplicableIpInRegion) => Attempted::Unreachable(error),
        Some(code) if is_full(code) => Attempted::Full(error),
        Some(code) if may_try_elsewhere(code) => Attempted::Elsewhere(error),
        Some(_) => Attempted::Failed(error),
    }
}

fn joined(kept: Bytes, unsent: Bytes) -> Bytes {
    match (kept.is_empty(), unsent.is_empty()) {
        (true, _) => unsent,
        (_, true) => kept,
        _ => [kept, unsent].concat().into(),
    }
}
