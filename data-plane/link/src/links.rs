//! All links of this server: to which peers there are connections, which peers are alive, who may connect here.
//!
//! Each worker has connections of its own to each peer, opened by the first request that needs one and kept. Whether a
//! peer is alive is one fact for all workers: whoever fails to reach it says so, a task dials it again and again, and
//! meanwhile no request tries it.

use crate::identity::{Identity, tls_name};
use crate::outbound::{Ended, Outbound, State, dial, drive};
use arc_swap::{ArcSwap, ArcSwapOption};
use bytes::Bytes;
use egressway_core::fleet::Server;
use egressway_core::{Code, Error};
use egressway_snapshot::{FleetEntry, PeerEntry};
use h2::client::SendRequest;
use parking_lot::Mutex;
use rustls::pki_types::ServerName;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::Notify;

/// Streams on a connection before another is opened beside it.
const STREAMS_BEFORE_NEXT: u32 = 128;
/// Connections of one worker to one peer.
const MOST_CONNECTIONS: usize = 4;
const FIRST_REDIAL: Duration = Duration::from_millis(100);
const LAST_REDIAL: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkSettings {
    pub dial: Duration,
    pub ping: Duration,
    pub dead: Duration,
}

impl Default for LinkSettings {
    fn default() -> Self {
        let ms = Duration::from_millis;
        LinkSettings { dial: ms(500), ping: ms(250), dead: ms(750) }
    }
}

const UNKNOWN: u8 = 0;
const UP: u8 = 1;
const DOWN: u8 = 2;

/// Another server as this one sees it.
pub(crate) struct Peer {
    pub server: Arc<Server>,
    pub address: SocketAddr,
    pub name: ServerName<'static>,
    pub uri: http::Uri,
    state: AtomicU8,
    rtt_us: AtomicU64,
    is_redialled: AtomicBool,
    /// No peer any more: nothing is dialled.
    is_gone: AtomicBool,
    workers: Box<[Connections]>,
}

/// One worker's connections to a peer.
#[derive(Default)]
struct Connections {
    open: Mutex<Vec<Arc<Outbound>>>,
    /// Held while one is dialled, so that a burst dials once.
    dialling: tokio::sync::Mutex<()>,
}

impl Peer {
    fn new(entry: &PeerEntry, workers: usize) -> Option<Self> {
        let uri = http::Uri::builder().scheme("https").authority(&*entry.server.name).path_and_query("/");
        Some(Peer {
            server: entry.server.clone(),
            address: entry.link,
            name: tls_name(&entry.server.name)?,
            uri: uri.build().ok()?,
            state: AtomicU8::new(UNKNOWN),
            rtt_us: AtomicU64::new(0),
            is_redialled: AtomicBool::new(false),
            is_gone: AtomicBool::new(false),
            workers: (0..workers).map(|_| Connections::default()).collect(),
        })
    }

    pub fn note_rtt(&self, rtt: Duration) {
        self.rtt_us.store(rtt.as_micros() as u64, Relaxed);
    }

    fn is_up(&self) -> bool {
        self.state.load(Relaxed) != DOWN
    }

    fn connections(&self) -> impl Iterator<Item = Arc<Outbound>> {
        self.workers.iter().flat_map(|worker| worker.open.lock().clone())
    }

    /// Ends everything that is open to it.
    fn leave(&self) {
        self.is_gone.store(true, SeqCst);
        self.connections().for_each(|connection| connection.state.cut());
    }
}

/// What the status tells of a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerRow {
    pub server: Box<str>,
    /// `up`, `down`, or `unknown` while nothing has needed it.
    pub state: &'static str,
    pub connections: usize,
    pub rtt_us: u64,
}

/// A stream to a peer, for as long as it lives.
pub struct Seat {
    pub(crate) send: SendRequest<Bytes>,
    pub(crate) uri: http::Uri,
    state: Arc<State>,
}

impl Seat {
    fn take(connection: &Outbound, peer: &Peer) -> Self {
        connection.state.in_use.fetch_add(1, Relaxed);
        Seat { send: connection.send.clone(), uri: peer.uri.clone(), state: connection.state.clone() }
    }

    /// The connection takes no more streams.
    pub(crate) fn retire(&self) {
        self.state.retire();
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.state.in_use.fetch_sub(1, Relaxed);
    }
}

/// A connection that a peer has opened to this server.
struct Accepted {
    servers: Vec<String>,
    cut: Arc<Notify>,
}

pub struct Links {
    workers: usize,
    identity: ArcSwapOption<Identity>,
    settings: ArcSwap<LinkSettings>,
    fleet: ArcSwap<FleetEntry>,
    peers: ArcSwap<HashMap<u32, Arc<Peer>>>,
    accepted: Mutex<Vec<Weak<Accepted>>>,
}

/// Keeps a connection from a peer known while it lives.
pub(crate) struct Admission {
    accepted: Arc<Accepted>,
}

impl Admission {
    /// Ready when its server is a peer no more.
    pub async fn revoked(&self) {
        self.accepted.cut.notified().await;
    }
}

impl Links {
    pub fn new(workers: usize) -> Arc<Self> {
        Arc::new(Links {
            workers,
            identity: ArcSwapOption::empty(),
            settings: ArcSwap::default(),
            fleet: ArcSwap::default(),
            peers: ArcSwap::default(),
            accepted: Mutex::default(),
        })
    }

    /// New connections, both ways, are made with `identity`; those that are open stay.
    pub fn set_identity(&self, identity: Identity) {
        self.identity.store(Some(Arc::new(identity)));
    }

    pub(crate) fn identity(&self) -> Option<Arc<Identity>> {
        self.identity.load_full()
    }

    /// A peer that has not answered for so long is dead.
    pub(crate) fn dead_after(&self) -> Duration {
        self.settings.load().dead
    }

    /// The peers from now on. Whoever is none of them any more is cut off, in both directions.
    pub fn set(&self, fleet: &Arc<FleetEntry>, settings: LinkSettings) {
        self.settings.store(Arc::new(settings));
        if Arc::ptr_eq(&self.fleet.load(), fleet) {
            return;
        }
        let before = self.peers.load_full();
        let mut peers = HashMap::new();
        for entry in fleet.peers() {
            let serial = entry.server.serial;
            let known = before.get(&serial).filter(|peer| peer.address == entry.link).cloned();
            if let Some(peer) = known.or_else(|| Peer::new(entry, self.workers).map(Arc::new)) {
                peers.insert(serial, peer);
            }
        }
        let peers = Arc::new(peers);
        self.fleet.store(fleet.clone());
        self.peers.store(peers.clone());
        let is_kept = |peer: &Arc<Peer>| {
            peers.get(&peer.server.serial).is_some_and(|present| Arc::ptr_eq(present, peer))
        };
        before.values().filter(|peer| !is_kept(peer)).for_each(|peer| peer.leave());
        self.accepted.lock().retain(|weak| {
            let Some(accepted) = weak.upgrade() else { return false };
            if !self.knows_one_of(&accepted.servers) {
                accepted.cut.notify_one();
            }
            true
        });
    }

    fn knows_one_of(&self, servers: &[String]) -> bool {
        let fleet = self.fleet.load();
        servers.iter().any(|server| fleet.peer_named(server).is_some())
    }

    /// Lets a peer in whose certificate is for `servers`; `None`: none of them is a peer.
    pub(crate) fn admit(&self, servers: Vec<String>) -> Option<Admission> {
        let accepted = Arc::new(Accepted { servers, cut: Arc::new(Notify::new()) });
        let mut list = self.accepted.lock();
        list.retain(|before| before.strong_count() > 0);
        list.push(Arc::downgrade(&accepted));
        drop(list);
        // Looked up behind that: a snapshot that comes meanwhile sees it in the list.
        self.knows_one_of(&accepted.servers).then_some(Admission { accepted })
    }

    /// A request may try `server`.
    pub fn is_up(&self, server: &Server) -> bool {
        self.peers.load().get(&server.serial).is_some_and(|peer| peer.is_up())
    }

    /// How long the last heartbeat to `server` and back took; 0 while nothing is known.
    pub fn rtt_us(&self, server: &Server) -> u64 {
        self.peers.load().get(&server.serial).map_or(0, |peer| peer.rtt_us.load(Relaxed))
    }

    pub fn rows(&self) -> Vec<PeerRow> {
        let row = |peer: &Arc<Peer>| PeerRow {
            server: peer.server.name.clone(),
            state: match peer.state.load(Relaxed) {
                UP => "up",
                DOWN => "down",
                _ => "unknown",
            },
            connections: peer.connections().filter(|connection| connection.state.is_usable()).count(),
            rtt_us: peer.rtt_us.load(Relaxed),
        };
        let mut rows: Vec<_> = self.peers.load().values().map(row).collect();
        rows.sort_by(|a, b| a.server.cmp(&b.server));
        rows
    }

    /// A stream to `server`, over a connection of `worker`, which is the worker that calls.
    ///
    /// # Errors
    /// `egress_server_unreachable`: the peer cannot be reached, and no request tries it until it can.
    pub async fn seat(self: &Arc<Self>, server: &Server, worker: usize) -> Result<Seat, Error> {
        let unreachable = |cause: String| {
            Error::because(Code::EgressServerUnreachable, format_args!("{}: {cause}", server.name))
        };
        let peer = self.peers.load().get(&server.serial).cloned();
        let Some(peer) = peer else { return Err(unreachable("it is no peer any more".to_owned())) };
        let own = &peer.workers[worker % peer.workers.len()];
        if let Some((connection, has_room)) = least_used(own) {
            if !has_room && own.open.lock().len() < MOST_CONNECTIONS && own.dialling.try_lock().is_ok() {
                tokio::spawn(Self::grow(self.clone(), peer.clone(), worker));
            }
            return Ok(Seat::take(&connection, &peer));
        }
        let _dialling = own.dialling.lock().await;
        if let Some((connection, _)) = least_used(own) {
            return Ok(Seat::take(&connection, &peer));
        }
        if !peer.is_up() {
            return Err(unreachable("it has just failed to answer".to_owned()));
        }
        match self.connect(&peer, worker).await {
            Ok(connection) => Ok(Seat::take(&connection, &peer)),
            Err(cause) => {
                self.lose(&peer, worker);
                Err(unreachable(cause))
            }
        }
    }

    /// `server` has left somebody without an answer for so long that no request tries it until it answers a dial.
    pub fn give_up(self: &Arc<Self>, server: &Server, worker: usize) {
        if let Some(peer) = self.peers.load().get(&server.serial) {
            self.lose(peer, worker);
        }
    }

    /// Opens one connection more.
    async fn grow(self: Arc<Self>, peer: Arc<Peer>, worker: usize) {
        let Ok(_dialling) = peer.workers[worker % peer.workers.len()].dialling.try_lock() else { return };
        // Those that are open serve on if it fails.
        let _ = self.connect(&peer, worker).await;
    }

    async fn connect(self: &Arc<Self>, peer: &Arc<Peer>, worker: usize) -> Result<Arc<Outbound>, String> {
        let identity = self.identity().ok_or("this server has no identity yet")?;
        let settings = **self.settings.load();
        let (send, connection) = dial(peer, &identity, settings).await.map_err(|error| error.to_string())?;
        let opened = Arc::new(Outbound { send, state: Arc::new(State::default()) });
        peer.workers[worker % peer.workers.len()].open.lock().push(opened.clone());
        peer.state.store(UP, Relaxed);
        tokio::spawn(Self::keep(self.clone(), peer.clone(), opened.clone(), connection, worker));
        if peer.is_gone.load(SeqCst) {
            opened.state.cut();
            return Err("it is no peer any more".to_owned());
        }
        Ok(opened)
    }

    /// Drives a connection, and draws the conclusion from its end.
    async fn keep(
        self: Arc<Self>,
        peer: Arc<Peer>,
        opened: Arc<Outbound>,
        connection: h2::client::Connection<tokio_rustls::client::TlsStream<tokio::net::TcpStream>, Bytes>,
        worker: usize,
    ) {
        let settings = **self.settings.load();
        let ended = drive(connection, opened.state.clone(), peer.clone(), settings).await;
        peer.workers[worker % peer.workers.len()].open.lock().retain(|open| !Arc::ptr_eq(open, &opened));
        if ended == Ended::Dead {
            self.lose(&peer, worker);
        }
    }

    /// The peer is dead until it answers a dial.
    fn lose(self: &Arc<Self>, peer: &Arc<Peer>, worker: usize) {
        peer.state.store(DOWN, Relaxed);
        // What other workers have open to it is as dead; they need not find out one by one.
        peer.connections().for_each(|connection| connection.state.retire());
        if !peer.is_redialled.swap(true, SeqCst) {
            tokio::spawn(Self::redial(self.clone(), peer.clone(), worker));
        }
    }

    async fn redial(self: Arc<Self>, peer: Arc<Peer>, worker: usize) {
        let _mark = Redialled(peer.clone());
        let mut pause = FIRST_REDIAL;
        while !peer.is_gone.load(SeqCst) {
            tokio::time::sleep(pause).await;
            let _dialling = peer.workers[worker % peer.workers.len()].dialling.lock().await;
            if self.connect(&peer, worker).await.is_ok() {
                return;
            }
            pause = (2 * pause).min(LAST_REDIAL);
        }
    }

    /// Ends all that is open to peers, in both directions.
    pub fn close(&self) {
        self.peers.load().values().for_each(|peer| peer.leave());
        self.accepted.lock().iter().filter_map(Weak::upgrade).for_each(|accepted| accepted.cut.notify_one());
    }
}

/// Lets another task dial when this one ends, however it ends.
struct Redialled(Arc<Peer>);

impl Drop for Redialled {
    fn drop(&mut self) {
        self.0.is_redialled.store(false, SeqCst);
    }
}

/// The connection with the fewest streams, and whether it has room before another should be opened.
fn least_used(own: &Connections) -> Option<(Arc<Outbound>, bool)> {
    let open = own.open.lock();
    let usable = open.iter().filter(|connection| connection.state.is_usable());
    let least = usable.min_by_key(|connection| connection.state.in_use.load(Relaxed))?;
    Some((least.clone(), least.state.in_use.load(Relaxed) < STREAMS_BEFORE_NEXT))
}
