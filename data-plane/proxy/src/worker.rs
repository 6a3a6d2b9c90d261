//! A worker: one thread, one runtime, its own listening sockets; connections stay on it.

use crate::service::{Shared, WorkerService, least_busy};
use egressway_core::Deadlines;
use egressway_core::deadline::TICK;
use egressway_ingress::connection::Surroundings;
use egressway_ingress::listener::begin_no_more_handshakes;
use egressway_ingress::service::{Counted, ListenerSettings};
use egressway_ingress::{ClientLimits, serve_connection};
use egressway_link::serve_link;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, Waker};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, timeout_at};

/// The connection pool is swept in so many parts, one each tick.
const SWEEP_PARTS: usize = 5;
/// Pause after a failed accept, which most often means that descriptors have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// A client's handshake takes no longer: for so long a listener that another process continues stays open. Less than
/// the second after which clients send their first packet again.
pub const HANDSHAKES: Duration = Duration::from_millis(500);

/// Numbers a listener for as long as the plane lives.
pub type ListenerId = u64;

/// Where a worker is told what to do; all workers know all doors.
pub type Door = UnboundedSender<Command>;
pub type Inbox = UnboundedReceiver<Command>;

/// A worker's inbox and the door to it.
pub fn inbox() -> (Inbox, Door) {
    let (door, inbox) = unbounded_channel();
    (inbox, door)
}

pub enum Command {
    /// Serves a connection that another worker accepted.
    Serve(std::net::TcpStream, SocketAddr, Arc<ListenerSettings>, Counted),
    Listen(ListenerId, std::net::TcpListener, Arc<ListenerSettings>, Counted),
    /// Takes connections of peers.
    ListenForPeers(ListenerId, std::net::TcpListener, Counted),
    /// Serves a peer's connection that another worker accepted.
    ServePeer(std::net::TcpStream, Counted),
    Close(ListenerId),
    /// Takes no new connections; idle ones end.
    Drain,
    /// Drops everything.
    Stop,
}

/// The handle of a running worker.
pub struct Worker {
    door: Door,
    thread: JoinHandle<()>,
}

impl Worker {
    /// Starts the thread; it runs on `core` alone where the system allows that.
    ///
    /// # Errors
    /// The system gives no thread or no event queue.
    pub fn start(
        service: Arc<WorkerService>,
        clients: Arc<ClientLimits>,
        inbox: Inbox,
        doors: Arc<[Door]>,
        core: Option<core_affinity::CoreId>,
    ) -> io::Result<Worker> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let around = Surroundings { service: service.clone(), clients, deadlines: Deadlines::new() };
        let name = format!("egressway-{}", service.worker);
        let door = doors[service.worker].clone();
        let thread = std::thread::Builder::new().name(name).spawn(move || {
            if let Some(core) = core {
                core_affinity::set_for_current(core);
            }
            runtime.block_on(run(around, inbox, doors));
            // What is still running is cut here, not waited for.
            runtime.shutdown_background();
        })?;
        Ok(Worker { door, thread })
    }

    /// `open` is dropped when the listener is closed and what was in its queue is being served.
    pub fn listen(
        &self,
        id: ListenerId,
        socket: std::net::TcpListener,
        settings: &Arc<ListenerSettings>,
        open: Counted,
    ) {
        self.send(Command::Listen(id, socket, settings.clone(), open));
    }

    /// The same for connections of peers.
    pub fn listen_for_peers(&self, id: ListenerId, socket: std::net::TcpListener, open: Counted) {
        self.send(Command::ListenForPeers(id, socket, open));
    }

    pub fn close(&self, id: ListenerId) {
        self.send(Command::Close(id));
    }

    pub fn drain(&self) {
        self.send(Command::Drain);
    }

    pub fn stop(self) {
        self.send(Command::Stop);
        // A worker that panicked has been counted; there is nothing left to wait for.
        let _ = self.thread.join();
    }

    fn send(&self, command: Command) {
        // Fails only when the worker is gone, and then there is nothing to command.
        let _ = self.door.send(command);
    }
}

async fn run(around: Surroundings<WorkerService>, mut inbox: Inbox, doors: Arc<[Door]>) {
    let mut accepting: HashMap<ListenerId, Arc<Notify>> = HashMap::new();
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut tick = 0usize;
    loop {
        tokio::select! {
            biased;
            command = inbox.recv() => match command {
                Some(Command::Listen(id, socket, settings, open)) => match TcpListener::from_std(socket) {
                    Ok(socket) => {
                        let closing = Arc::new(Notify::new());
                        accepting.insert(id, closing.clone());
                        let (around, doors) = (around.clone(), doors.clone());
                        tokio::spawn(async move {
                            let is_shared = around.service.shared.share_listeners;
                            let place = |tcp, peer| place(&around, tcp, peer, &settings, &doors);
                            listen(socket, is_shared, closing, place).await;
                            drop(open);
                        });
                    }
                    Err(_) => { around.service.shared.panics.fetch_add(1, Relaxed); }
                },
                Some(Command::Serve(tcp, peer, settings, open)) => {
                    if let Ok(tcp) = TcpStream::from_std(tcp) {
                        serve(&around, tcp, peer, settings, open);
                    }
                }
                Some(Command::ListenForPeers(id, socket, open)) => match TcpListener::from_std(socket) {
                    Ok(socket) => {
                        let closing = Arc::new(Notify::new());
                        accepting.insert(id, closing.clone());
                        let (around, doors) = (around.clone(), doors.clone());
                        tokio::spawn(async move {
                            let is_shared = around.service.shared.share_listeners;
                            listen(socket, is_shared, closing, |tcp, _| place_peer(&around, tcp, &doors)).await;
                            drop(open);
                        });
                    }
                    Err(_) => { around.service.shared.panics.fetch_add(1, Relaxed); }
                },
                Some(Command::ServePeer(tcp, open)) => {
                    if let Ok(tcp) = TcpStream::from_std(tcp) {
                        serve_peer(&around, tcp, open);
                    }
                }
                Some(Command::Close(id)) => {
                    accepting.remove(&id).inspect(|closing| closing.notify_one());
                }
                Some(Command::Drain) => {
                    accepting.drain().for_each(|(_, closing)| closing.notify_one());
                    tokio::spawn(drain(around.clone()));
                }
                Some(Command::Stop) | None => return,
            },
            _ = ticks.tick() => {
                around.deadlines.tick();
                tick = tick.wrapping_add(1);
                if around.service.worker == 0 {
                    sweep(&around.service.shared, tick % SWEEP_PARTS);
                }
            }
        }
    }
}

/// Clients that another process goes on serving are told so with their next answer, before idle ones are cut.
async fn drain(around: Surroundings<WorkerService>) {
    around.deadlines.begin_draining();
    if around.service.shared.share_listeners {
        tokio::time::sleep(HANDSHAKES).await;
    }
    around.deadlines.drain();
}

/// A fault in it must not end the worker that happens to do it.
fn sweep(shared: &Shared, part: usize) {
    let swept = catch_unwind(AssertUnwindSafe(|| shared.pool.sweep(part, SWEEP_PARTS)));
    if swept.is_err() {
        shared.panics.fetch_add(1, Relaxed);
    }
}

/// Takes connections until `closing`; those that the kernel has completed by then are served, not reset, and with a
/// shared listener those it has begun as well.
async fn listen(
    socket: TcpListener,
    is_shared: bool,
    closing: Arc<Notify>,
    place: impl Fn(TcpStream, SocketAddr),
) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = closing.notified() => break,
            accepted = socket.accept() => accepted,
        };
        match accepted {
            Ok((tcp, peer)) => place(tcp, peer),
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
    if is_shared && begin_no_more_handshakes(&socket).is_ok() {
        let ends_at = Instant::now() + HANDSHAKES;
        while let Ok(accepted) = timeout_at(ends_at, socket.accept()).await {
            match accepted {
                Ok((tcp, peer)) => place(tcp, peer),
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
    }
    while let Poll::Ready(Ok((tcp, peer))) = socket.poll_accept(&mut Context::from_waker(Waker::noop())) {
        place(tcp, peer);
    }
}

/// Serves a new connection here or on a worker that has less to do.
fn place(
    around: &Surroundings<WorkerService>,
    tcp: TcpStream,
    peer: SocketAddr,
    settings: &Arc<ListenerSettings>,
    doors: &[Door],
) {
    let (service, shared) = (&around.service, &around.service.shared);
    service.counters.add_connection();
    let server = shared.server_for_new(service.worker);
    let open = Counted::new(&shared.connections[server]);
    if server == service.worker {
        serve(around, tcp, peer, settings.clone(), open);
    } else if let Ok(tcp) = tcp.into_std() {
        // A worker that is gone takes the connection with it, as when it had accepted it.
        let _ = doors[server].send(Command::Serve(tcp, peer, settings.clone(), open));
    }
}

fn serve(
    around: &Surroundings<WorkerService>,
    tcp: TcpStream,
    peer: SocketAddr,
    settings: Arc<ListenerSettings>,
    open: Counted,
) {
    let serving = serve_connection(around.clone(), tcp, peer, settings);
    tokio::spawn(async move {
        let _open = open;
        serving.await;
    });
}

/// Serves a peer's connection where there are the fewest: they are few and carry much.
fn place_peer(around: &Surroundings<WorkerService>, tcp: TcpStream, doors: &[Door]) {
    let open_here = &around.service.shared.peer_connections;
    let server = least_busy(open_here, around.service.worker, 0);
    let open = Counted::new(&open_here[server]);
    if server == around.service.worker {
        serve_peer(around, tcp, open);
    } else if let Ok(tcp) = tcp.into_std() {
        // A worker that is gone takes the connection with it, as when it had accepted it.
        let _ = doors[server].send(Command::ServePeer(tcp, open));
    }
}

fn serve_peer(around: &Surroundings<WorkerService>, tcp: TcpStream, open: Counted) {
    let (service, deadlines) = (around.service.clone(), around.deadlines.clone());
    let links = service.shared.links.clone();
    tokio::spawn(async move {
        let _open = open;
        serve_link(service, links, deadlines, tcp).await;
    });
}
