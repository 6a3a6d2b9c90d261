//! What a worker does with each request that ingress has read: serve, answer for failures, count, log.

use crate::access_log::Entry;
use crate::answer::answer;
use crate::current::Current;
use crate::exchange::{Exchange, Failure, Pool, Surroundings};
use crate::forwarded::{RequestId, new_request_id};
use arc_swap::ArcSwap;
use egressway_core::side::ClientSide;
use egressway_core::{Code, Deadline, Error, RequestHead};
use egressway_counters::{LogBuffer, RequestCounters};
use egressway_ingress::{ConnectionInfo, IngressSettings, Service};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Acquire, Ordering::Relaxed};

/// A request that finds no port because the tables have changed under it begins again, so often in all.
const MOST_BEGINNINGS: u32 = 4;

/// What all workers share.
pub struct Shared {
    pub current: Arc<ArcSwap<Current>>,
    pub tls: Arc<rustls::ServerConfig>,
    pub pool: Arc<Pool>,
    pub panics: AtomicU64,
    /// Open client connections of each worker.
    pub connections: Box<[Arc<AtomicUsize>]>,
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
        self.listening.load(Acquire) > 0 || self.open_connections() > 0
    }

    /// The worker that should serve a connection that `worker` has accepted: itself, unless another has clearly
    /// less to do. The kernel spreads connections by hash, which leaves some workers with far more than others.
    pub fn server_for_new(&self, worker: usize) -> usize {
        let own = self.connections[worker].load(Relaxed);
        let counts = self.connections.iter().map(|count| count.load(Relaxed)).enumerate();
        match counts.min_by_key(|(_, count)| *count) {
            Some((least, count)) if own > count + 1 + count / 16 => least,
            _ => worker,
        }
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
            self.log.append(|out| entry.write(out, request, id, client, connection.is_tls));
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

    async fn serve<C: ClientSide>(
        &self,
        client: &mut C,
        request: &RequestHead,
        connection: &ConnectionInfo,
        deadline: &Deadline,
    ) {
        let mut entry = Entry::begin();
        let id = new_request_id();
        let mut current = self.shared.current.load();
        let mut beginnings = 0;
        let outcome = loop {
            let around = Surroundings {
                current: &current,
                pool: &self.shared.pool,
                worker: self.worker,
                turn: self.turn.fetch_add(1, Relaxed),
                connection,
                deadline,
            };
            let outcome = Exchange::new(around, client, request, &id, &mut entry).run().await;
            beginnings += 1;
            let has_found_no_port = outcome.as_ref().is_err_and(Failure::has_found_no_port);
            if !has_found_no_port || beginnings == MOST_BEGINNINGS {
                break outcome;
            }
            let newest = self.shared.current.load();
            if Arc::ptr_eq(&current, &newest) {
                break outcome;
            }
            // What the older tables promised has moved meanwhile.
            current = newest;
        };
        if let Err(Failure { error, is_answered }) = outcome {
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
            self.log.append(|out| entry.write(out, None, &new_request_id(), client, false));
        }
    }

    fn panicked(&self) {
        self.shared.panics.fetch_add(1, Relaxed);
    }
}
