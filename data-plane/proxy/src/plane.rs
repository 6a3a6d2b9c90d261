//! The data plane as its owner drives it: apply a snapshot, drain what was counted, tell the status, stop.
//!
//! All four are called from threads that are not workers, and none of them waits for a request.

use crate::connector::OriginConnector;
use crate::current::{Current, Trust};
use crate::exchange::Pool;
use crate::held;
use crate::peers::{self, OpenLink};
use crate::regional::Passing;
use crate::report::{Drained, DrainedBytes, ListenerRow, PeerStatus, Status, TotalsRow, UnbindableRow};
use crate::service::{Shared, WorkerService};
use crate::worker::{self, ListenerId, Worker};
use arc_swap::ArcSwap;
use egressway_core::EgressPool;
use egressway_counters::{Registry, Totals};
use egressway_egress_server::dial::check_bindable;
use egressway_egress_server::{ConnectionPool, Dialer, PortTable};
use egressway_ingress::service::{Counted, ListenerSettings};
use egressway_ingress::{BindError, bind, tls};
use egressway_link::identity::BadIdentity;
use egressway_link::{Identity, Links};
use egressway_origin::tls::TlsConfigs;
use egressway_snapshot::{CertificateResolver, Listener, Part, Refused, TableBuilder, Tables};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Longer than anybody waits, and short enough to be added to any time.
const LONGEST_DRAIN: Duration = Duration::from_secs(24 * 3600);
const DRAIN_STEP: Duration = Duration::from_millis(10);

/// How a data plane is made.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Threads; 0 is one for each core.
    pub workers: usize,
    /// Log lines that may wait for their reader, over all workers.
    pub log_buffer_bytes: usize,
    pub access_log: bool,
    /// Listeners are shared with another process of ours, before or after this one: whoever else listens is not
    /// noticed, and closing takes [`worker::HANDSHAKES`].
    pub share_listeners: bool,
}

/// Why a snapshot was not applied. The one before it is still in place.
#[derive(Debug)]
pub enum ApplyError {
    Refused(Refused),
    Listen(BindError),
    Stopped,
}

/// What was applied.
#[derive(Debug, Clone)]
pub struct Applied {
    pub revision: u64,
    pub zones: usize,
    /// Address with its real port, and whether it speaks TLS.
    pub listeners: Vec<(SocketAddr, bool)>,
    /// Egress addresses that this host cannot use, and what the kernel says.
    pub unbindable: Vec<(IpAddr, String)>,
}

struct OpenListener {
    id: ListenerId,
    wanted: Listener,
    bound: SocketAddr,
}

/// What only `apply` and `stop` change.
struct Control {
    builder: TableBuilder,
    listeners: Vec<OpenListener>,
    link: Option<OpenLink>,
    next_listener: ListenerId,
    next_trust: u64,
    /// Whether each address in use can be bound: the kernel's complaint, if any.
    addresses: HashMap<IpAddr, Option<String>>,
    workers: Vec<Worker>,
}

pub struct Plane {
    shared: Arc<Shared>,
    services: Vec<Arc<WorkerService>>,
    tables: Arc<ArcSwap<Tables>>,
    registry: Arc<Registry>,
    dialer: Arc<Dialer>,
    ports: Arc<PortTable>,
    control: Mutex<Control>,
    /// Tables that requests may still hold: dropped here and not on a worker, which would pause for it.
    retired: Mutex<Vec<Arc<Current>>>,
    is_draining: AtomicBool,
    drained_foreign: AtomicU64,
    drained_panics: AtomicU64,
    total_dropped: AtomicU64,
}

// === impl Plane ===

impl Plane {
    /// Starts the workers, which serve nothing until a snapshot is applied.
    ///
    /// # Errors
    /// The system gives no thread, no event queue or no randomness.
    pub fn start(options: &Options) -> io::Result<Plane> {
        let cores = core_affinity::get_core_ids().unwrap_or_default();
        let workers = if options.workers > 0 { options.workers } else { cores.len().max(1) };
        let tables = Arc::new(ArcSwap::from_pointee(Tables::empty()));
        let roots = TlsConfigs::new("").map_err(io::Error::other)?;
        let trust = Arc::new(Trust { number: 0, configs: roots, extra_roots: String::new() });
        let current = Arc::new(ArcSwap::from_pointee(Current::new(tables.load_full(), trust)));
        let registry = Arc::new(Registry::default());
        let dialer = Arc::new(Dialer::default());
        let ports = Arc::new(PortTable::new(registry.clone()));
        let connector = OriginConnector { dialer: dialer.clone(), current: current.clone() };
        let pool: Arc<Pool> =
            Arc::new(ConnectionPool::new(connector, ports.clone(), dialer.clone(), workers));
        let resolver = Arc::new(CertificateResolver::new(tables.clone()));
        let shared = Arc::new(Shared {
            current,
            tls: tls::server_config(resolver),
            pool,
            links: Links::new(workers),
            panics: AtomicU64::new(0),
            connections: (0..workers).map(|_| Arc::new(AtomicUsize::new(0))).collect(),
            peer_connections: (0..workers).map(|_| Arc::new(AtomicUsize::new(0))).collect(),
            calls: AtomicUsize::new(0),
            listening: Arc::default(),
            passing: Passing::default(),
            clients: Arc::default(),
            share_listeners: options.share_listeners,
        });
        let log_bytes = if options.access_log { options.log_buffer_bytes / workers } else { 0 };
        let services: Vec<_> = (0..workers)
            .map(|worker| Arc::new(WorkerService::new(shared.clone(), worker, log_bytes)))
            .collect();
        // More workers than cores cannot have one each; then the system places them all.
        let is_pinned = workers <= cores.len();
        let (inboxes, doors): (Vec<_>, Vec<_>) = services.iter().map(|_| worker::inbox()).unzip();
        let doors: Arc<[worker::Door]> = doors.into();
        let threads = services.iter().zip(inboxes).enumerate().map(|(i, (service, inbox))| {
            let core = cores.get(i).copied().filter(|_| is_pinned);
            Worker::start(service.clone(), shared.clients.clone(), inbox, doors.clone(), core)
        });
        let control = Control {
            builder: TableBuilder::new(),
            listeners: Vec::new(),
            link: None,
            next_listener: 0,
            next_trust: 1,
            addresses: HashMap::new(),
            workers: threads.collect::<io::Result<_>>()?,
        };
        Ok(Plane {
            shared,
            services,
            tables,
            registry,
            dialer,
            ports,
            control: Mutex::new(control),
            retired: Mutex::default(),
            is_draining: AtomicBool::new(false),
            drained_foreign: AtomicU64::new(0),
            drained_panics: AtomicU64::new(0),
            total_dropped: AtomicU64::new(0),
        })
    }

    /// Makes `snapshot` the state, whole or not at all. Requests that have begun end under the one they began with.
    ///
    /// # Errors
    /// The snapshot contradicts itself, or a listener cannot be opened.
    pub fn apply(&self, snapshot: &[u8]) -> Result<Applied, ApplyError> {
        let mut control = self.control.lock();
        if self.is_draining.load(Relaxed) {
            return Err(ApplyError::Stopped);
        }
        let before = control.builder.base();
        let tables = control.builder.build(snapshot).map_err(ApplyError::Refused)?;
        let outcome = self.switch_to(&mut control, tables);
        if outcome.is_err() {
            control.builder.go_back_to(before);
        }
        outcome
    }

    fn switch_to(&self, control: &mut Control, tables: Arc<Tables>) -> Result<Applied, ApplyError> {
        let trust = self.trust(control, &tables)?;
        let opened = open_listeners(control, &tables, &self.shared)?;
        let link = peers::open(control.link.as_ref(), tables.fleet.link, &self.shared)?;
        let current = Arc::new(Current::new(tables.clone(), trust));
        self.shared.pool.set(&current.pool_settings());
        self.shared.pool.set_quarantine(tables.settings.port_quarantine_ms.into());
        let pools: Vec<Arc<EgressPool>> = tables.pools().cloned().collect();
        // Ports before tables: no request of the new ones finds a port that is not this server's yet, none of the old
        // ones one that is its no more.
        let has_other_pools = self.shared.pool.own_pools(&pools);
        // Peers as well: what the new tables name can be asked.
        self.shared.links.set(&tables.fleet, peers::settings(&tables.settings));
        self.tables.store(tables.clone());
        let old = self.shared.current.swap(current);
        self.retired.lock().push(old);
        start_listeners(control, &tables, opened, &self.shared);
        control.next_listener += 1;
        let id = control.next_listener;
        peers::start(&mut control.link, link, id, &control.workers, &self.shared);
        if has_other_pools {
            self.shared.pool.retain_pools(&pools);
        }
        check_addresses(control, &tables);
        Ok(Applied {
            revision: tables.revision,
            zones: tables.zones(),
            listeners: control.listeners.iter().map(|open| (open.bound, open.wanted.tls)).collect(),
            unbindable: unbindable(control),
        })
    }

    /// What this server proves itself with to its peers, and they to it, from now on: the fleet's authority, this
    /// server's certificate chain and its key, in PEM. Links that are open stay.
    ///
    /// # Errors
    /// They cannot be used together; the identity before stays.
    pub fn set_identity(&self, authority: &[u8], chain: &[u8], key: &[u8]) -> Result<(), BadIdentity> {
        self.shared.links.set_identity(Identity::new(authority, chain, key)?);
        Ok(())
    }

    /// TLS towards origins under the roots that `tables` want; the present one if they are the same.
    fn trust(&self, control: &mut Control, tables: &Tables) -> Result<Arc<Trust>, ApplyError> {
        let present = self.shared.current.load().tls.clone();
        let wanted = &tables.settings.extra_trust_roots;
        if present.extra_roots == *wanted {
            return Ok(present);
        }
        let configs =
            TlsConfigs::new(wanted).map_err(|e| ApplyError::Refused(Refused::new("settings", e)))?;
        control.next_trust += 1;
        Ok(Arc::new(Trust { number: control.next_trust, configs, extra_roots: wanted.clone() }))
    }

    /// What has been counted and logged since the last call, in MessagePack.
    pub fn drain(&self) -> DrainedBytes {
        // Nobody can take a table that is no longer current: one reference left is ours.
        let retired = std::mem::take(&mut *self.retired.lock());
        let still_held = retired.into_iter().filter(|old| Arc::strong_count(old) > 1).collect::<Vec<_>>();
        self.retired.lock().extend(still_held);
        let mut totals = Totals::default();
        let mut requests = BTreeMap::new();
        let mut dropped = 0;
        for service in &self.services {
            service.counters.drain(&mut totals, &mut requests);
            dropped += service.log.take_dropped();
        }
        self.total_dropped.fetch_add(dropped, Relaxed);
        let drained = Drained {
            totals: TotalsRow {
                requests: totals.requests,
                connections: totals.connections,
                foreign_egress: since(self.dialer.foreign_egress(), &self.drained_foreign),
                panics: since(self.shared.panics.load(Relaxed), &self.drained_panics),
                log_dropped: dropped,
            },
            requests,
            egress: self.registry.drain(),
        };
        DrainedBytes::new(&drained, self.services.iter().map(|service| service.log.take()).collect())
    }

    /// What was drained has been copied; its log buffers can be filled again.
    pub fn give_back(&self, drained: DrainedBytes) {
        for (service, buffer) in self.services.iter().zip(drained.log) {
            service.log.give_back(buffer);
        }
    }

    /// Levels, in MessagePack.
    pub fn status(&self) -> Vec<u8> {
        let current = self.shared.current.load();
        let tables = &current.tables;
        let egress = self.registry.levels();
        let mut control = self.control.lock();
        recheck_addresses(&mut control, &self.dialer);
        let status = Status {
            revision: tables.revision,
            zones: tables.zones(),
            hosts: tables.hosts(),
            memory_table_bytes: tables.memory_bytes(),
            workers: self.services.len(),
            connections: self.shared.open_connections(),
            origin_connections: egress.iter().map(|level| u64::from(level.current)).sum(),
            waiting: self.shared.pool.waiting(),
            panics: self.shared.panics.load(Relaxed),
            foreign_egress: self.dialer.foreign_egress(),
            log_dropped: self.total_dropped.load(Relaxed) + self.waiting_dropped(),
            is_draining: self.is_draining.load(Relaxed),
            listeners: control
                .listeners
                .iter()
                .map(|open| ListenerRow::new(open.bound, open.wanted.tls))
                .collect(),
            unbindable: unbindable(&control).into_iter().map(UnbindableRow::from).collect(),
            egress,
            peers: self.shared.links.rows().into_iter().map(PeerStatus::from).collect(),
        };
        status.encode()
    }

    /// Log lines dropped since the last drain.
    fn waiting_dropped(&self) -> u64 {
        self.services.iter().map(|service| service.log.dropped()).sum()
    }

    /// This process has that part of its server's ports from the next `apply` on, until it is told otherwise.
    pub fn set_part(&self, part: Part) {
        self.control.lock().builder.set_part(part);
    }

    /// Open connections whose ports have left this server, and with `everything` all, as [`held::encode`] writes them.
    /// Complete for what `apply` has taken away.
    pub fn held(&self, everything: bool) -> Vec<u8> {
        held::encode(&self.ports.held(everything))
    }

    /// Exactly these connections, in the form of [`Plane::held`], are another process's or server's from now on.
    ///
    /// # Errors
    /// They cannot be read; what was excluded stays so.
    pub fn exclude(&self, held: &[u8]) -> Result<(), String> {
        self.ports.exclude(held::decode(held)?);
        Ok(())
    }

    /// Ends exactly these connections, in the form of [`Plane::held`], as far as their ports have left this server;
    /// returns how many. They close at once, though not before it returns.
    ///
    /// # Errors
    /// They cannot be read; nothing was cut.
    pub fn cut(&self, held: &[u8]) -> Result<usize, String> {
        Ok(self.ports.cut(held::decode(held)?))
    }

    /// Takes no new connections (with shared listeners after [`worker::HANDSHAKES`]), lets those that are open end until `patience` is over, then cuts the rest.
    /// Returns how many were cut. A second call finds nothing left to do.
    pub fn stop(&self, patience: Duration) -> usize {
        self.is_draining.store(true, Relaxed);
        let workers = {
            let mut control = self.control.lock();
            control.listeners.clear();
            control.link = None;
            std::mem::take(&mut control.workers)
        };
        workers.iter().for_each(Worker::drain);
        let deadline = Instant::now() + patience.min(LONGEST_DRAIN);
        while self.shared.is_busy() && Instant::now() < deadline && !workers.is_empty() {
            std::thread::sleep(DRAIN_STEP);
        }
        let cut = self.shared.open_connections() + self.shared.calls.load(Relaxed);
        self.shared.links.close();
        workers.into_iter().for_each(Worker::stop);
        self.shared.pool.retain_pools(&[]);
        cut
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        self.stop(Duration::ZERO);
    }
}

/// What a total has grown by since the last call.
fn since(total: u64, drained: &AtomicU64) -> u64 {
    total.saturating_sub(drained.swap(total, Relaxed))
}

/// Sockets of listeners that `tables` want and that are not open yet.
fn open_listeners(
    control: &Control,
    tables: &Tables,
    shared: &Shared,
) -> Result<Vec<(Listener, Vec<std::net::TcpListener>)>, ApplyError> {
    let is_open = |wanted: &Listener| control.listeners.iter().any(|open| open.wanted == *wanted);
    // A listener whose settings change gives its port up first: the new one could not have it otherwise.
    let is_replaced = |wanted: &Listener| {
        wanted.address.port() != 0
            && control.listeners.iter().any(|open| open.wanted.address == wanted.address)
    };
    let mut opened = Vec::new();
    for wanted in tables.listeners().iter().filter(|wanted| !is_open(wanted)) {
        let workers = shared.connections.len();
        let is_shared = shared.share_listeners && wanted.address.port() != 0;
        let sockets = if is_shared || is_replaced(wanted) {
            egressway_ingress::listener::bind_shared(wanted.address, workers)
        } else {
            bind(wanted.address, workers)
        };
        opened.push((wanted.clone(), sockets.map_err(ApplyError::Listen)?));
    }
    Ok(opened)
}

fn start_listeners(
    control: &mut Control,
    tables: &Tables,
    opened: Vec<(Listener, Vec<std::net::TcpListener>)>,
    shared: &Shared,
) {
    for (wanted, sockets) in opened {
        let id = control.next_listener;
        control.next_listener += 1;
        let settings = Arc::new(ListenerSettings {
            is_tls: wanted.tls,
            proxy_protocol_from: wanted.proxy_protocol_from.clone(),
        });
        let bound = sockets.first().and_then(|socket| socket.local_addr().ok()).unwrap_or(wanted.address);
        for (worker, socket) in control.workers.iter().zip(sockets) {
            worker.listen(id, socket, &settings, Counted::new(&shared.listening));
        }
        control.listeners.push(OpenListener { id, wanted, bound });
    }
    let (kept, gone): (Vec<_>, Vec<_>) =
        control.listeners.drain(..).partition(|open| tables.listeners().contains(&open.wanted));
    control.listeners = kept;
    for open in gone {
        control.workers.iter().for_each(|worker| worker.close(open.id));
    }
}

/// Asks the kernel about addresses that are new.
fn check_addresses(control: &mut Control, tables: &Tables) {
    let wanted: HashSet<IpAddr> =
        tables.pools().flat_map(|pool| pool.addresses.iter().map(|address| address.ip)).collect();
    control.addresses.retain(|ip, _| wanted.contains(ip));
    for ip in wanted {
        control.addresses.entry(ip).or_insert_with(|| complaint(ip));
    }
}

/// Asks again about addresses that could not be used, then or in a dial since.
fn recheck_addresses(control: &mut Control, dialer: &Dialer) {
    for (ip, state) in &mut control.addresses {
        if state.is_some() || dialer.is_unbindable(*ip) {
            *state = complaint(*ip);
        }
    }
}

fn complaint(ip: IpAddr) -> Option<String> {
    check_bindable(ip).err().map(|error| error.to_string())
}

fn unbindable(control: &Control) -> Vec<(IpAddr, String)> {
    let mut list: Vec<_> = control
        .addresses
        .iter()
        .filter_map(|(ip, state)| state.as_ref().map(|reason| (*ip, reason.clone())))
        .collect();
    list.sort();
    list
}

impl fmt::Display for ApplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ApplyError::Refused(refused) => refused.fmt(f),
            ApplyError::Listen(error) => error.fmt(f),
            ApplyError::Stopped => f.write_str("the data plane has been stopped; start a new one"),
        }
    }
}

impl std::error::Error for ApplyError {}
