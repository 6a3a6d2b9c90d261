//! What a worker does with each request that ingress has read: serve, answer for failures, count, log.

use crate::access_log::Entry;
use crate::answer::answer;
use crate::current::Current;
use crate::exchange::{CallFailure, Exchange, Failure, Pool, Surroundings};
use crate::forwarded::{RequestId, new_request_id};
use crate::passed_log::PassedEntry;
use crate::regional::{Passing, pass_on};
use arc_swap::ArcSwap;
use bytes::Bytes;
use egressway_core::side::ClientSide;
use egressway_core::{Code, Deadline, Deadlines, Error, RequestHead};
use egressway_counters::{LogBuffer, RequestCounters};
use egressway_ingress::service::Counted;
use egressway_ingress::{
    ClientLimits, ConnectionInfo, IngressSettings, PassedOn, Service, proxy_protocol, serve_passed,
};
use egressway_link::passed::{Opened, PassedStream};
use egressway_link::{Call, LinkClient, LinkService, Links};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};
use std::time::Duration;

/// A request that finds no port because the tables have changed under it begins again, so often in all.
const MOST_BEGINNINGS: u32 = 4;
/// A change reaches servers within a second, one before the other: so often, and after such pauses, doubled each time,
/// a request asks again whose server does not know of it yet.
const MOST_SETTLINGS: u32 = 6;
const FIRST_SETTLING: Duration = Duration::from_millis(20);

/// What all workers share.
pub struct Shared {
    pub current: Arc<ArcSwap<Current>>,
    pub tls: Arc<rustls::ServerConfig>,
    pub pool: Arc<Pool>,
    pub links: Arc<Links>,
    pub panics: AtomicU64,
    /// Open client connections of each worker.
    pub connections: Box<[Arc<AtomicUsize>]>,
    /// Connections of peers that each worker serves, and their requests that are under way.
    pub peer_connections: Box<[Arc<AtomicUsize>]>,
    pub calls: AtomicUsize,
    /// Connections that servers of other regions serve.
    pub passing: Passing,
    pub clients: Arc<ClientLimits>,
    /// Listening sockets that are open still.
    pub listening: Arc<AtomicUsize>,
    /// Another process of ours listens beside this one, before or after it.
    pub share_listeners: bool,
}

impl Shared {
    /// Open client connections.
    pub fn open_connections(&self) -> usize {
        self.connections.iter().map(|count| count.load(Relaxed)).sum()
    }

    /// Some connection or listener is open.
    pub fn is_busy(&self) -> bool {
        // A connection is counted before the listener it came from closes.
        self.listening.load(Acquire) > 0 || self.open_connections() > 0 || self.calls.load(Acquire) > 0
    }

    /// The worker that should serve a connection that `worker` has accepted: itself, unless another has clearly
    /// less to do. The kernel spreads connections by hash, which leaves some workers with far more than others.
    pub fn server_for_new(&self, worker: usize) -> usize {
        least_busy(&self.connections, worker, 1)
    }
}

/// The worker with the fewest connections, or `worker` while it has hardly more: `slack`, or a sixteenth.
pub fn least_busy(open: &[Arc<AtomicUsize>], worker: usize, slack: usize) -> usize {
    let own = open[worker].load(Relaxed);
    let counts = open.iter().map(|count| count.load(Relaxed)).enumerate();
    match counts.min_by_key(|(_, count)| *count) {
        Some((least, count)) if own > count + slack + count / 16 => least,
        _ => worker,
    }
}

/// The name of this server, for as long as a line is written.
struct ServerName(arc_swap::Guard<Arc<Current>>);

impl std::ops::Deref for ServerName {
    type Target = str;

    fn deref(&self) -> &str {
        let tables = &self.0.tables;
        if tables.fleet.server.is_empty() { &tables.settings.server_name } else { &tables.fleet.server }
    }
}

/// One worker's view of it, and what only that worker writes.
pub struct WorkerService {
    pub shared: Arc<Shared>,
    pub worker: usize,
    pub counters: RequestCounters,
    pub log: LogBuffer,
    pub turn: AtomicUsize,
}

impl WorkerService {
    pub fn new(shared: Arc<Shared>, worker: usize, log_bytes: usize) -> Self {
        WorkerService {
            shared,
            worker,
            counters: RequestCounters::default(),
            log: LogBuffer::new(log_bytes),
            turn: AtomicUsize::new(worker),
        }
    }

    /// Tables whose fleet, or whose settings if it is alone, tell this server's name.
    fn server_name(&self) -> ServerName {
        ServerName(self.shared.current.load())
    }

    /// Answers for `error`, unless an answer has begun or nobody is there to hear it.
    async fn answer_for<C: ClientSide>(
        &self,
        client: &mut C,
        error: &Error,
        request: &RequestHead,
        id: &RequestId,
        deadline: &Deadline,
        entry: &mut Entry,
    ) {
        if error.code == Code::ClientAborted {
            entry.status = error.code.status();
            return;
        }
        deadline.set(self.shared.current.load().waits.body);
        entry.status = error.code.status();
        if let Ok(Ok(bytes)) = deadline.guard(answer(client, error.code, request, id)).await {
            entry.bytes_out += bytes;
        }
    }

    /// A connection that was passed on, or was to be.
    pub fn record_passed(&self, entry: &PassedEntry) {
        self.counters.add_error(entry.error.as_ref().map(|error| error.code));
        if self.log.is_on() {
            let server = self.server_name();
            self.log.append(|out| entry.write(out, &new_request_id(), &server));
        }
    }

    fn record(
        &self,
        entry: &Entry,
        request: Option<&RequestHead>,
        id: &RequestId,
        connection: &ConnectionInfo,
    ) {
        self.counters.add(entry.status, entry.error.as_ref().map(|error| error.code));
        if self.log.is_on() {
            let client = connection.client.ip().to_canonical();
            let server = self.server_name();
            self.log.append(|out| entry.write(out, request, id, &server, client, connection.is_tls));
        }
    }
}

impl Service for WorkerService {
    fn settings(&self) -> Arc<IngressSettings> {
        self.shared.current.load().ingress.clone()
    }

    fn tls(&self) -> Arc<rustls::ServerConfig> {
        self.shared.tls.clone()
    }

    fn has_hosts_elsewhere(&self) -> bool {
        self.shared.current.load().tables.has_hosts_elsewhere()
    }

    fn is_elsewhere(&self, host: &str) -> bool {
        let current = self.shared.current.load();
        let found = current.tables.find(host.as_bytes());
        found.is_some_and(|found| current.tables.region_elsewhere(found.host).is_some())
    }

    async fn pass_on(&self, connection: PassedOn, deadline: &Deadline) -> Result<(), PassedOn> {
        pass_on(self, connection, deadline).await
    }

    async fn serve<C: ClientSide>(
        &self,
        client: &mut C,
        request: &RequestHead,
        connection: &ConnectionInfo,
        deadline: &Deadline,
    ) {
        let mut entry = Entry::begin();
        entry.ingress_server.clone_from(&connection.passed_by);
        let id = new_request_id();
        let mut current = self.shared.current.load();
        let (mut beginnings, mut settlings) = (0, 0);
        let mut kept = Bytes::new();
        let outcome = loop {
            let around = Surroundings {
                current: &current,
                pool: &self.shared.pool,
                links: &self.shared.links,
                worker: self.worker,
                turn: self.turn.fetch_add(1, Relaxed),
                deadline,
            };
            let exchange = Exchange::new(around, client, request, &id, &mut entry).with_body_begun(kept);
            let mut failure = match exchange.run(connection).await {
                Err(failure) if failure.has_found_no_port() => failure,
                outcome => break outcome,
            };
            kept = std::mem::take(&mut failure.kept);
            let newest = self.shared.current.load();
            if !Arc::ptr_eq(&current, &newest) {
                // What the older tables promised has moved meanwhile.
                current = newest;
                beginnings += 1;
                if beginnings == MOST_BEGINNINGS {
                    break Err(failure);
                }
            } else if failure.may_be_settled() && settlings < MOST_SETTLINGS {
                tokio::time::sleep(FIRST_SETTLING * (1 << settlings)).await;
                settlings += 1;
            } else {
                break Err(failure);
            }
        };
        if let Err(Failure { error, is_answered, .. }) = outcome {
            if !is_answered {
                self.answer_for(client, &error, request, &id, deadline, &mut entry).await;
            }
            entry.error = Some(error);
        }
        self.record(&entry, Some(request), &id, connection);
    }

    async fn reject<C: ClientSide>(
        &self,
        client: &mut C,
        code: Code,
        request: &RequestHead,
        connection: &ConnectionInfo,
        deadline: &Deadline,
    ) {
        let mut entry = Entry::begin();
        let id = new_request_id();
        let error = Error::new(code);
        self.answer_for(client, &error, request, &id, deadline, &mut entry).await;
        entry.error = Some(error);
        self.record(&entry, Some(request), &id, connection);
    }

    fn connection_failed(&self, code: Code, client: SocketAddr, cause: &str) {
        self.counters.add_error(Some(code));
        if self.log.is_on() {
            let mut entry = Entry::begin();
            entry.error = Some(Error::because(code, cause));
            let client = client.ip().to_canonical();
            let server = self.server_name();
            self.log.append(|out| entry.write(out, None, &new_request_id(), &server, client, false));
        }
    }

    fn panicked(&self) {
        self.shared.panics.fetch_add(1, Relaxed);
    }
}

/// Counts a call for as long as it lives.
struct Calling<'a>(&'a AtomicUsize);

impl Drop for Calling<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Release);
    }
}

impl LinkService for WorkerService {
    async fn serve_passed(self: Arc<Self>, stream: PassedStream, opened: Opened, deadlines: Arc<Deadlines>) {
        let _open = Counted::new(&self.shared.connections[self.worker]);
        self.counters.add_connection();
        let header = proxy_protocol::parse(&opened.header).ok().flatten();
        // A peer of this fleet names the client; one that does not is not understood.
        let Some(client) = header.and_then(|(_, header)| header.source) else { return };
        let clients = self.shared.clients.clone();
        let around = egressway_ingress::connection::Surroundings { service: self, clients, deadlines };
        serve_passed(around, Box::new(stream), client, opened.is_tls, opened.server).await;
    }

    /// The server that the request came to logs it; here it is counted.
    async fn serve_call(
        &self,
        client: &mut LinkClient,
        call: &Call,
        request: &RequestHead,
        deadline: &Deadline,
    ) {
        self.shared.calls.fetch_add(1, Relaxed);
        let _calling = Calling(&self.shared.calls);
        self.counters.add_call();
        let mut entry = Entry::begin();
        let current = self.shared.current.load();
        let around = Surroundings {
            current: &current,
            pool: &self.shared.pool,
            links: &self.shared.links,
            worker: self.worker,
            turn: 0,
            deadline,
        };
        let exchange = Exchange::new(around, client, request, &call.request_id, &mut entry);
        match exchange.run_call(call).await {
            Ok(()) => {}
            Err(CallFailure::Unknown) => client.fail(&Code::ZoneNotFound.into(), true, true, 0),
            Err(CallFailure::Failure(Failure { error, is_touched, .. })) => {
                client.fail(&error, false, !is_touched, entry.attempts);
            }
        }
    }

    fn panicked(&self) {
        self.shared.panics.fetch_add(1, Relaxed);
    }
}
