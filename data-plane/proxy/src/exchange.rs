//! One request, from its head to the end of its answer: the stages in their order.
//!
//! zone table -> egress router (which origins may be tried) -> egress server (a connection) -> origin (relay).
//! Retries are made here alone, and only where the origin cannot have acted on the request (`data-plane.md`
//! section 7).

use crate::access_log::Entry;
use crate::connector::{OpenTimes, OriginConnector, OriginH1};
use crate::current::Current;
use crate::forwarded::{Forwarded, RequestId, is_loop};
use crate::relay::{Report, Terms, relay};
use egressway_core::side::{ClientSide, OriginSide};
use egressway_core::{Code, Deadline, EgressPool, Error, RequestHead, ResponseHead};
use egressway_counters::EgressCounters;
use egressway_egress_router::candidates;
use egressway_egress_server::choice::applicable;
use egressway_egress_server::{
    Acquired, ConnectionPool, GroupKey, H1Loan, Reusable, StreamPermit, TlsKey, Transport, Want,
};
use egressway_ingress::ConnectionInfo;
use egressway_snapshot::{Found, OriginEntry, OriginSpec, Scheme, ZoneEntry};
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;

/// Connections one request may try, over all its origins.
const ATTEMPTS: u32 = 4;

pub type Pool = ConnectionPool<OriginConnector>;

/// What a request needs of its worker and its connection.
pub struct Surroundings<'a> {
    pub current: &'a Current,
    pub pool: &'a Arc<Pool>,
    pub worker: usize,
    /// Advances with every request, so that origins take turns.
    pub turn: usize,
    pub connection: &'a ConnectionInfo,
    pub deadline: &'a Deadline,
}

/// One request on its way.
pub struct Exchange<'a, C> {
    around: Surroundings<'a>,
    client: &'a mut C,
    request: &'a RequestHead,
    id: &'a RequestId,
    entry: &'a mut Entry,
    response: ResponseHead,
    retries: Retries,
    /// The answer has begun: no other can follow.
    is_answered: bool,
}

/// What has been tried again already.
#[derive(Default)]
struct Retries {
    /// The next connection has to be a new one.
    is_fresh: bool,
    has_repeated: bool,
    was_misdirected: bool,
    /// The present connection lay idle before.
    may_be_stale: bool,
}

/// What a failed attempt's connection tells.
struct Seen {
    /// Certainly nothing of the request has been processed.
    is_untouched: bool,
    is_connection_lost: bool,
    is_h1: bool,
}

/// What an attempt came to.
enum Attempted {
    Done,
    /// The same origin once more.
    Again(Error),
    /// The origin has not seen the request: another may.
    Elsewhere(Error),
    Failed(Error),
}

/// The request failed; whether an answer has begun.
pub struct Failure {
    pub error: Error,
    pub is_answered: bool,
}

impl Failure {
    /// Nothing of the request has been sent, for want of a port.
    pub fn has_found_no_port(&self) -> bool {
        !self.is_answered && matches!(self.error.code, Code::NoApplicableIp | Code::EgressCapacityExhausted)
    }
}

impl<'a, C: ClientSide> Exchange<'a, C> {
    pub fn new(
        around: Surroundings<'a>,
        client: &'a mut C,
        request: &'a RequestHead,
        id: &'a RequestId,
        entry: &'a mut Entry,
    ) -> Self {
        Exchange {
            around,
            client,
            request,
            id,
            entry,
            response: ResponseHead::default(),
            retries: Retries::default(),
            is_answered: false,
        }
    }

    /// Carries the request to an origin and its answer back.
    pub async fn run(mut self) -> Result<(), Failure> {
        let outcome = self.try_origins().await;
        outcome.map_err(|error| Failure { error, is_answered: self.is_answered })
    }

    async fn try_origins(&mut self) -> Result<(), Error> {
        let current = self.around.current;
        let tables = &*current.tables;
        let found = tables.find(self.request.host()).ok_or(Code::ZoneNotFound)?;
        self.entry.zone = Some(found.zone.clone());
        self.check_connection(found)?;
        if is_loop(self.request) {
            return Err(Code::LoopDetected.into());
        }
        let pool = tables.pool_of(found.zone);
        let is_trusted = tables.is_trusted_client(self.around.connection.client.ip());
        let forwarded = Forwarded::new(self.request, self.around.connection, is_trusted);
        let mut last = Error::new(Code::NoOrigin);
        for origin in candidates(tables, pool, &found.host.origins, self.around.turn)? {
            match self.try_origin(found.zone, pool, origin, &forwarded).await {
                Attempted::Done => return Ok(()),
                Attempted::Failed(error) | Attempted::Again(error) => return Err(error),
                Attempted::Elsewhere(error) => last = error,
            }
        }
        Err(last)
    }

    /// A TLS connection serves the zone whose certificate it was opened with; for any other it is misdirected
    /// (RFC 9110 section 15.5.20).
    fn check_connection(&self, found: Found<'_>) -> Result<(), Error> {
        let connection = self.around.connection;
        if !connection.is_tls {
            return Ok(());
        }
        if !found.zone.tls_to_clients {
            return Err(Code::TlsNotServed.into());
        }
        let Some(sni) = connection.sni.as_deref().filter(|sni| sni.as_bytes() != self.request.host()) else {
            return Ok(());
        };
        match self.around.current.tables.zone_of_sni(sni) {
            Some(zone) if zone.id == found.zone.id => Ok(()),
            _ => Err(Code::Misdirected.into()),
        }
    }

    async fn try_origin(
        &mut self,
        zone: &ZoneEntry,
        pool: &Arc<EgressPool>,
        origin: &OriginEntry,
        forwarded: &Forwarded,
    ) -> Attempted {
        let host = String::from_utf8_lossy(self.request.host()).into_owned();
        let key = self.key(zone, pool, &origin.spec, &host);
        self.entry.origin = Some(key.origin);
        if self.request.is_websocket && origin.spec.scheme == Scheme::H2c {
            return Attempted::Failed(Error::because(
                Code::UpgradeUnsupported,
                "a WebSocket goes to origins over HTTP/1, and this one is said to speak HTTP/2 alone",
            ));
        }
        let mut want = Want { key, pool, host: &host, worker: self.around.worker, is_fresh: false };
        let mut last = Error::because(Code::OriginUnreachable, "too many attempts");
        loop {
            if self.entry.attempts == ATTEMPTS {
                return Attempted::Failed(last);
            }
            self.entry.attempts += 1;
            want.is_fresh = std::mem::take(&mut self.retries.is_fresh);
            let acquired = match self.acquire(&want).await {
                Ok(acquired) => acquired,
                // Nothing was sent, and the pool has another address, which is chosen now.
                Err(error) if is_of_one_address(error.code) && has_another_address(pool, want.key.origin) => {
                    last = error;
                    continue;
                }
                Err(error) if may_try_elsewhere(error.code) => return Attempted::Elsewhere(error),
                Err(error) => return Attempted::Failed(error),
            };
            let is_coalesced = acquired.is_coalesced;
            match self.over(acquired, &origin.spec, forwarded).await {
                Attempted::Again(error) if self.entry.attempts < ATTEMPTS => {
                    if is_coalesced && error.code == Code::Misdirected {
                        self.around.pool.insist_on_own(&want);
                    }
                    last = error;
                }
                attempted => return attempted,
            }
        }
    }

    fn key(&self, zone: &ZoneEntry, pool: &EgressPool, spec: &OriginSpec, host: &str) -> GroupKey {
        let transport = match spec.scheme {
            Scheme::Http => Transport::Http1,
            Scheme::H2c => Transport::H2c,
            Scheme::Https => Transport::Tls(Box::new(TlsKey {
                server_name: spec.sni.as_deref().unwrap_or(host).into(),
                verify: spec.verify,
                // A WebSocket goes to origins over HTTP/1 alone.
                http2: spec.http2 && !self.request.is_websocket,
                trust: self.around.current.tls.number,
            })),
        };
        GroupKey {
            pool: pool.serial,
            account: zone.account_serial,
            origin: spec.socket_addr(),
            transport,
            max_streams: spec.h2_max_streams,
        }
    }

    /// Waits for a connection as long as the client does.
    async fn acquire(&mut self, want: &Want<'_>) -> Result<Acquired<OriginConnector>, Error> {
        let pool = self.around.pool;
        let mut acquiring = pin!(pool.acquire(want));
        let client = &mut *self.client;
        // Reading the client for its end is possible while nothing of its body is expected.
        let may_listen = !C::IS_H1 || client.is_ended();
        poll_fn(|cx| match acquiring.as_mut().poll(cx) {
            Poll::Pending if may_listen => client.poll_gone(cx).map(Err),
            outcome => outcome,
        })
        .await
    }

    async fn over(
        &mut self,
        acquired: Acquired<OriginConnector>,
        spec: &OriginSpec,
        forwarded: &Forwarded,
    ) -> Attempted {
        self.entry.is_reused = acquired.is_reused;
        self.retries.may_be_stale = acquired.may_be_stale;
        self.entry.is_coalesced = acquired.is_coalesced;
        self.entry.waited += acquired.waited;
        let host = spec.host.as_deref().map_or(self.request.authority(), str::as_bytes);
        match acquired.connection {
            Reusable::H1(loan) => {
                self.note_connection(loan.egress, "http/1.1", loan.times, acquired.is_reused);
                self.over_h1(loan, host, forwarded).await
            }
            Reusable::H2(permit) => {
                let connection = permit.connection();
                self.note_connection(connection.egress, "h2", connection.times, acquired.is_reused);
                self.over_h2(permit, host, forwarded).await
            }
        }
    }

    fn note_connection(
        &mut self,
        egress: SocketAddr,
        protocol: &'static str,
        times: OpenTimes,
        is_reused: bool,
    ) {
        self.entry.egress = Some(egress);
        self.entry.origin_protocol = Some(protocol);
        if !is_reused {
            self.entry.dial = Some(times.dial);
            self.entry.tls = times.tls;
        }
    }

    async fn over_h1(
        &mut self,
        mut loan: H1Loan<OriginConnector>,
        host: &[u8],
        forwarded: &Forwarded,
    ) -> Attempted {
        let key = if self.request.is_websocket { crate::forwarded::new_websocket_key() } else { None };
        if self.request.is_websocket && key.is_none() {
            return Attempted::Failed(Error::because(Code::Internal, "no randomness for a WebSocket key"));
        }
        let origin: &mut OriginH1 = &mut loan;
        let counters = egressway_egress_server::PooledH1::counters(origin).clone();
        let key = key.as_ref().map(<[u8; 24]>::as_slice);
        let report = self.relay_over(&mut origin.connection, host, forwarded, key, &counters).await;
        let seen =
            Seen { is_untouched: origin.connection.is_untouched(), is_connection_lost: true, is_h1: true };
        if report.error.is_none() {
            loan.give_back();
            return Attempted::Done;
        }
        self.judge(report, &seen)
    }

    async fn over_h2(
        &mut self,
        permit: StreamPermit<OriginConnector>,
        host: &[u8],
        forwarded: &Forwarded,
    ) -> Attempted {
        let counters = egressway_egress_server::PooledH2::counters(permit.connection()).clone();
        let mut exchange = permit.connection().connection.exchange();
        let report = self.relay_over(&mut exchange, host, forwarded, None, &counters).await;
        if report.error.as_ref().is_some_and(|error| error.code == Code::OriginTimeout) {
            exchange.timed_out();
        }
        let is_connection_lost = !permit.connection().connection.is_usable();
        let seen = Seen { is_untouched: exchange.is_untouched(), is_connection_lost, is_h1: false };
        // The stream ends before its place is given to another.
        drop(exchange);
        drop(permit);
        if report.error.is_none() { Attempted::Done } else { self.judge(report, &seen) }
    }

    async fn relay_over<O: OriginSide>(
        &mut self,
        origin: &mut O,
        host: &[u8],
        forwarded: &Forwarded,
        websocket_key: Option<&[u8]>,
        counters: &EgressCounters,
    ) -> Report {
        let outbound = forwarded.outbound(host, self.id);
        if let Err(error) = origin.start_request(self.request, &outbound, websocket_key) {
            return Report { error: Some(error), ..Report::default() };
        }
        let terms = Terms {
            request: self.request,
            request_id: self.id,
            deadline: self.around.deadline,
            waits: self.around.current.waits,
            is_coalesced: self.entry.is_coalesced && !self.retries.was_misdirected,
            websocket_key,
        };
        let report = relay(self.client, origin, &mut self.response, &terms).await;
        let (sent, received) = origin.byte_counts();
        counters.sent.fetch_add(sent, Relaxed);
        counters.received.fetch_add(received, Relaxed);
        self.entry.bytes_in += sent;
        self.entry.bytes_out += received;
        self.entry.first_byte_at = report.first_byte_at;
        if report.is_answered {
            self.is_answered = true;
            self.entry.status = self.response.status;
        }
        report
    }

    /// Whether a failed attempt may be repeated.
    fn judge(&mut self, report: Report, seen: &Seen) -> Attempted {
        let error = report.error.unwrap_or_else(|| Code::Internal.into());
        let is_repeatable = !report.is_answered && !report.is_body_touched;
        if !is_repeatable
            || error.code.source() == egressway_core::error::Source::Client && !report.is_misdirected
        {
            return Attempted::Failed(error);
        }
        if report.is_misdirected && !self.retries.was_misdirected {
            self.retries.was_misdirected = true;
            return Attempted::Again(error);
        }
        if seen.is_untouched && !matches!(error.code, Code::OriginTimeout | Code::Internal) {
            // An HTTP/2 connection that turned it away takes no more or has no room, and the pool knows that.
            self.retries.is_fresh = self.entry.is_reused && seen.is_h1;
            return Attempted::Again(error);
        }
        // A stream that was reset was answered, in a way; only a lost connection leaves the question open.
        let may_repeat = self.retries.may_be_stale
            && seen.is_connection_lost
            && !report.is_heard
            && error.code == Code::OriginClosed
            && self.request.method.is_idempotent()
            && !self.retries.has_repeated;
        if may_repeat {
            self.retries.has_repeated = true;
            self.retries.is_fresh = seen.is_h1;
            return Attempted::Again(error);
        }
        Attempted::Failed(error)
    }
}

/// The fault of one egress address; another may be well.
const fn is_of_one_address(code: Code) -> bool {
    matches!(code, Code::EgressAddressUnbindable | Code::EgressPortsBusy)
}

fn has_another_address(pool: &EgressPool, origin: SocketAddr) -> bool {
    applicable(pool, origin).nth(1).is_some()
}

/// Nothing was sent, and another origin may be well.
const fn may_try_elsewhere(code: Code) -> bool {
    matches!(
        code,
        Code::OriginRefused
            | Code::OriginUnreachable
            | Code::OriginConnectTimeout
            | Code::OriginTlsFailed
            | Code::OriginCertificateInvalid
            // Every origin address has a capacity of its own (`spec/egress.md` section 7).
            | Code::EgressCapacityExhausted
    )
}
