//! One origin from this server's own addresses: a connection, the relay over it, and whether to try once more.
//!
//! Retries are made only where the origin cannot have acted on the request, or may act on it twice without harm
//! (`data-plane.md` section 7).

use crate::connector::{OpenTimes, OriginConnector, OriginH1};
use crate::exchange::{Attempted, Bound, Exchange};
use crate::forwarded::Forwarded;
use crate::relay::{Report, Terms, Waits, relay};
use egressway_core::side::{ClientSide, Leg, OriginSide};
use egressway_core::{Code, EgressPool, Error};
use egressway_counters::EgressCounters;
use egressway_egress_server::choice::applicable;
use egressway_egress_server::{Acquired, GroupKey, H1Loan, Reusable, StreamPermit, TlsKey, Transport, Want};
use egressway_snapshot::{OriginSpec, Scheme, ZoneEntry};
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;

/// Connections one request may try, over all its origins.
pub(crate) const ATTEMPTS: u32 = 4;

/// What has been tried again already.
#[derive(Default)]
pub(crate) struct Retries {
    /// The next connection has to be a new one.
    is_fresh: bool,
    pub has_repeated: bool,
    /// Connections tried, here and at other servers.
    pub connections: u32,
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

impl<C: ClientSide> Exchange<'_, C> {
    /// One origin, from this server's own addresses.
    pub(crate) async fn try_here(&mut self, to: Bound<'_>, may_wait: bool) -> Attempted {
        let Bound { zone, pool, origin, forwarded, .. } = to;
        let host = String::from_utf8_lossy(self.request.host()).into_owned();
        let key = self.key(zone, pool, origin, &host);
        self.entry.origin = Some(key.origin);
        if self.request.is_websocket && origin.scheme == Scheme::H2c {
            return Attempted::Failed(Error::because(
                Code::UpgradeUnsupported,
                "a WebSocket goes to origins over HTTP/1, and this one is said to speak HTTP/2 alone",
            ));
        }
        let mut want = Want { key, pool, host: &host, worker: self.around.worker, is_fresh: false, may_wait };
        let mut last = None;
        loop {
            if self.retries.connections >= ATTEMPTS {
                return Attempted::Failed(last.unwrap_or_else(too_many_attempts));
            }
            self.retries.connections += 1;
            self.entry.attempts += 1;
            want.is_fresh = std::mem::take(&mut self.retries.is_fresh);
            let acquired = match self.acquire(&want).await {
                Ok(acquired) => acquired,
                // Nothing was sent, and the pool has another address, which is chosen now.
                Err(error) if is_of_one_address(error.code) && has_another_address(pool, want.key.origin) => {
                    last = Some(error);
                    continue;
                }
                Err(error) if is_full(error.code) => return Attempted::Full(error),
                Err(error) if may_try_elsewhere(error.code) => return Attempted::Elsewhere(error),
                Err(error) => return Attempted::Failed(error),
            };
            let is_coalesced = acquired.is_coalesced;
            match self.over(acquired, origin, forwarded).await {
                Attempted::Again(error) if self.retries.connections < ATTEMPTS => {
                    if is_coalesced && error.code == Code::Misdirected {
                        self.around.pool.insist_on_own(&want);
                    }
                    last = Some(error);
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
        self.while_client_waits(pool.acquire(want)).await
    }

    /// Waits for `future` as long as the client does.
    pub(crate) async fn while_client_waits<T>(
        &mut self,
        future: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let mut acquiring = pin!(future);
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
        self.client.leaves_by(&Leg {
            egress,
            protocol,
            is_reused,
            is_coalesced: self.entry.is_coalesced,
            attempts: self.entry.attempts,
            waited: self.entry.waited,
            dial: self.entry.dial,
            tls: self.entry.tls,
        });
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
        let report = self.relay_to_origin(&mut origin.connection, host, forwarded, key, &counters).await;
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
        let report = self.relay_to_origin(&mut exchange, host, forwarded, None, &counters).await;
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

    async fn relay_to_origin<O: OriginSide>(
        &mut self,
        origin: &mut O,
        host: &[u8],
        forwarded: &Forwarded,
        websocket_key: Option<&[u8]>,
        counters: &EgressCounters,
    ) -> Report {
        let waits = self.around.current.waits;
        let report = self.relay_over(origin, host, forwarded, websocket_key, waits).await;
        let (sent, received) = origin.byte_counts();
        counters.sent.fetch_add(sent, Relaxed);
        counters.received.fetch_add(received, Relaxed);
        report
    }

    /// `origin` is the origin, or the server that stands for it.
    pub(crate) async fn relay_over<O: OriginSide>(
        &mut self,
        origin: &mut O,
        host: &[u8],
        forwarded: &Forwarded,
        websocket_key: Option<&[u8]>,
        waits: Waits,
    ) -> Report {
        let outbound = forwarded.outbound(host, self.id);
        if let Err(error) = origin.start_request(self.request, &outbound, websocket_key) {
            return Report { error: Some(error), ..Report::default() };
        }
        let terms = Terms {
            request: self.request,
            request_id: self.id,
            deadline: self.around.deadline,
            waits,
            is_coalesced: self.entry.is_coalesced && !self.retries.was_misdirected,
            websocket_key,
            kept: std::mem::take(&mut self.kept),
        };
        let report = relay(self.client, origin, &mut self.response, terms).await;
        self.is_body_gone |= report.is_body_touched;
        let (sent, received) = origin.byte_counts();
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

pub(crate) fn too_many_attempts() -> Error {
    Error::because(Code::OriginUnreachable, "too many attempts")
}

/// The fault of one egress address; another may be well.
const fn is_of_one_address(code: Code) -> bool {
    matches!(code, Code::EgressAddressUnbindable | Code::EgressPortsBusy)
}

/// Another server of the location may have what this one lacks.
pub(crate) const fn is_full(code: Code) -> bool {
    is_of_one_address(code) || matches!(code, Code::EgressCapacityExhausted)
}

fn has_another_address(pool: &EgressPool, origin: SocketAddr) -> bool {
    applicable(pool, origin).nth(1).is_some()
}

/// Nothing was sent, and another origin may be well.
pub(crate) const fn may_try_elsewhere(code: Code) -> bool {
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
