//! One request, from its head to the end of its answer: the stages in their order.
//!
//! zone table -> egress router (which origins, and from which server) -> egress server (a connection) -> origin
//! (relay). Where another server holds the addresses, `forwarding` carries the request there; a request that came so
//! begins at `attempt`, from an address of this server.

use crate::access_log::Entry;
use crate::attempt::Retries;
use crate::connector::OriginConnector;
use crate::current::Current;
use crate::forwarded::{Forwarded, RequestId, is_loop};
use bytes::Bytes;
use egressway_core::fleet::Rung;
use egressway_core::side::ClientSide;
use egressway_core::{Code, Deadline, EgressPool, Error, RequestHead, ResponseHead};
use egressway_egress_router::{Candidate, Question, candidates, region_of};
use egressway_egress_server::ConnectionPool;
use egressway_ingress::ConnectionInfo;
use egressway_link::{Call, Links};
use egressway_snapshot::{Found, OriginEntry, OriginSpec, RegionEntry, ZoneEntry};
use std::sync::Arc;

pub type Pool = ConnectionPool<OriginConnector>;

/// What a request needs of its worker and its connection.
pub struct Surroundings<'a> {
    pub current: &'a Current,
    pub pool: &'a Arc<Pool>,
    pub links: &'a Arc<Links>,
    pub worker: usize,
    /// Advances with every request, so that origins take turns.
    pub turn: usize,
    pub deadline: &'a Deadline,
}

/// One request on its way.
pub struct Exchange<'a, C> {
    pub(crate) around: Surroundings<'a>,
    pub(crate) client: &'a mut C,
    pub(crate) request: &'a RequestHead,
    pub(crate) id: &'a RequestId,
    pub(crate) entry: &'a mut Entry,
    pub(crate) response: ResponseHead,
    pub(crate) retries: Retries,
    /// What was read of the body for a server that did not need it: the next one gets it first.
    pub(crate) kept: Bytes,
    /// Something of the body has been read and is not kept: the request cannot be sent again.
    pub(crate) is_body_gone: bool,
    pub(crate) is_disputed: bool,
    /// The answer has begun: no other can follow.
    pub(crate) is_answered: bool,
}

/// Where a request is to go, whichever server it leaves from.
#[derive(Clone, Copy)]
pub(crate) struct Bound<'a> {
    pub zone: &'a ZoneEntry,
    pub pool: &'a Arc<EgressPool>,
    pub region: Option<&'a RegionEntry>,
    pub origin: &'a OriginSpec,
    pub forwarded: &'a Forwarded,
}

/// What an attempt came to.
pub(crate) enum Attempted {
    Done,
    /// The same origin once more.
    Again(Error),
    /// The server has nothing free to the origin: another of its location may.
    Full(Error),
    /// The server could not be asked, or knows nothing of the request: another may.
    Unreachable(Error),
    /// The origin has not seen the request: another origin may.
    Elsewhere(Error),
    Failed(Error),
}

/// The request failed; whether an answer has begun.
pub struct Failure {
    pub error: Error,
    pub is_answered: bool,
    /// Something of the request has gone out, or is gone from where it could be sent again.
    pub is_touched: bool,
    /// What was read of the body for a server that did not need it.
    pub kept: Bytes,
    /// A server that our tables name says by its own that the request is not for it.
    pub is_disputed: bool,
}

/// Why a request of another server cannot be served.
pub enum CallFailure {
    /// Its zone or origin is not in the tables here.
    Unknown,
    Failure(Failure),
}

impl Failure {
    fn new(error: Error, is_answered: bool, is_touched: bool) -> Self {
        Failure { error, is_answered, is_touched, kept: Bytes::new(), is_disputed: false }
    }

    /// The servers' tables are not of one age: soon they will be.
    pub fn may_be_settled(&self) -> bool {
        self.is_disputed && self.error.code != Code::EgressCapacityExhausted
    }

    /// Nothing of the request has been sent, for want of a port or of a server that has one.
    pub fn has_found_no_port(&self) -> bool {
        !self.is_answered
            && !self.is_touched
            && matches!(
                self.error.code,
                Code::NoApplicableIp
                    | Code::NoApplicableIpInRegion
                    | Code::EgressCapacityExhausted
                    | Code::EgressServerUnreachable
            )
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
            kept: Bytes::new(),
            is_body_gone: false,
            is_disputed: false,
            is_answered: false,
        }
    }

    /// The same with what has been read of the body before.
    #[must_use]
    pub fn with_body_begun(self, kept: Bytes) -> Self {
        Exchange { kept, ..self }
    }

    /// Carries the request of a client to an origin and its answer back.
    pub async fn run(mut self, connection: &ConnectionInfo) -> Result<(), Failure> {
        let outcome = self.try_origins(connection).await;
        outcome.map_err(|error| Failure {
            kept: self.kept,
            is_disputed: self.is_disputed,
            ..Failure::new(error, self.is_answered, self.is_body_gone)
        })
    }

    /// Carries a request that another server has forwarded to the origin that it has chosen, from this server.
    pub async fn run_call(mut self, call: &Call) -> Result<(), CallFailure> {
        let tables = &*self.around.current.tables;
        let found = tables.find(self.request.host()).filter(|found| *found.zone.id == *call.zone);
        let Some(found) = found else { return Err(CallFailure::Unknown) };
        self.entry.zone = Some(found.zone.clone());
        let is_meant = |origin: &&OriginEntry| origin.spec.socket_addr() == call.origin;
        let Some(origin) = found.host.origins.iter().find(is_meant) else {
            return Err(CallFailure::Unknown);
        };
        let pool = tables.pool_of(found.zone);
        let untouched = |code: Code| CallFailure::Failure(Failure::new(code.into(), false, false));
        if !tables.origin_permitted(origin.spec.address) {
            return Err(untouched(Code::OriginForbidden));
        }
        let region = region_of(tables, found.host).map_err(untouched)?;
        if !(Question { pool, origin: call.origin, region, is_linked: true }).is_placed() {
            return Err(untouched(Code::NoApplicableIp));
        }
        let forwarded = Forwarded::given(call);
        let to = Bound { zone: found.zone, pool, region, origin: &origin.spec, forwarded: &forwarded };
        let (error, is_touched) = match self.try_here(to, call.may_wait).await {
            Attempted::Done => return Ok(()),
            Attempted::Full(error) | Attempted::Unreachable(error) | Attempted::Elsewhere(error) => {
                (error, false)
            }
            Attempted::Failed(error) | Attempted::Again(error) => (error, true),
        };
        Err(CallFailure::Failure(Failure::new(error, self.is_answered, is_touched)))
    }

    async fn try_origins(&mut self, connection: &ConnectionInfo) -> Result<(), Error> {
        let current = self.around.current;
        let tables = &*current.tables;
        let found = tables.find(self.request.host()).ok_or(Code::ZoneNotFound)?;
        self.entry.zone = Some(found.zone.clone());
        self.check_connection(connection, found)?;
        if is_loop(self.request) {
            return Err(Code::LoopDetected.into());
        }
        let pool = tables.pool_of(found.zone);
        let region = region_of(tables, found.host)?;
        let is_trusted = tables.is_trusted_client(connection.client.ip());
        let forwarded = Forwarded::new(self.request, connection, is_trusted);
        let mut last = Error::new(Code::NoOrigin);
        for origin in candidates(tables, pool, region, &found.host.origins, self.around.turn)? {
            let to = Bound { zone: found.zone, pool, region, origin: &origin.spec, forwarded: &forwarded };
            match self.try_servers(to).await {
                Attempted::Done => return Ok(()),
                Attempted::Failed(error) | Attempted::Again(error) => return Err(error),
                Attempted::Elsewhere(error) | Attempted::Full(error) | Attempted::Unreachable(error) => {
                    last = error;
                }
            }
        }
        Err(last)
    }

    /// A TLS connection serves the zone whose certificate it was opened with; for any other it is misdirected
    /// (RFC 9110 section 15.5.20). So is every connection that ends here for a host of a region elsewhere.
    fn check_connection(&self, connection: &ConnectionInfo, found: Found<'_>) -> Result<(), Error> {
        if self.around.current.tables.region_elsewhere(found.host).is_some() {
            let code = if connection.is_stranded { Code::RegionUnreachable } else { Code::Misdirected };
            return Err(code.into());
        }
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

    /// One origin, from the servers of the ladder in turn. Only when every one that may be asked is full does the
    /// request wait, and then where it would have gone first.
    async fn try_servers(&mut self, to: Bound<'_>) -> Attempted {
        let origin = to.origin.socket_addr();
        let question = Question { pool: to.pool, origin, region: to.region, is_linked: false };
        let links = self.around.links;
        let mut ladder = question.ladder();
        let mut first_full = None;
        let mut last = None;
        while let Some(candidate) = ladder.next(|server| links.is_up(server)) {
            let may_wait = first_full.is_none() && !ladder.has_more();
            match self.try_server(candidate, to, may_wait).await {
                Attempted::Full(error) => {
                    ladder.exhausted();
                    if !may_wait && error.code == Code::EgressCapacityExhausted {
                        first_full.get_or_insert(candidate);
                    }
                    last = Some(error);
                }
                Attempted::Unreachable(error) => last = Some(error),
                attempted => return attempted,
            }
        }
        match first_full {
            Some(candidate) => self.try_server(candidate, to, true).await,
            None => Attempted::Elsewhere(last.unwrap_or_else(|| Code::EgressServerUnreachable.into())),
        }
    }

    async fn try_server(&mut self, candidate: Candidate<'_>, to: Bound<'_>, may_wait: bool) -> Attempted {
        match candidate {
            Candidate::Here => {
                (self.entry.rung, self.entry.egress_server) = (Rung::Server, None);
                self.try_here(to, may_wait).await
            }
            Candidate::Peer(rung, server) => {
                (self.entry.rung, self.entry.egress_server) = (rung, Some(server.clone()));
                self.entry.origin = Some(to.origin.socket_addr());
                self.forward(server, to, may_wait).await
            }
        }
    }
}
