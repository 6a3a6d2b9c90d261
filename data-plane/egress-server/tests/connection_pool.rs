//! The connection pool against origins that exist in memory only: what it promises, whatever the order of events.

use egressway_core::deadline::now_ms;
use egressway_core::{Code, EgressAddress, EgressPool, Error};
use egressway_counters::{EgressCounters, Registry};
use egressway_egress_server::{
    Acquired, ConnectionPool, Connector, Dialer, GroupKey, Opened, PoolSettings, PooledH1, PooledH2,
    PortLease, PortTable, Reusable, TlsKey, Transport, Want,
};
use egressway_snapshot::wire::Verify;
use proptest::prelude::*;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

/// What the origin speaks and how it fares.
struct World {
    h2_streams: Option<u32>,
    open: AtomicUsize,
    most_open: AtomicUsize,
    dials: AtomicU64,
    is_down: AtomicBool,
    covered: &'static [&'static str],
    cap: usize,
}

struct Socket {
    world: Arc<World>,
    lease: Option<PortLease>,
    key: GroupKey,
}

struct H1 {
    socket: Socket,
    counters: Arc<EgressCounters>,
    is_reusable: bool,
    in_use: AtomicBool,
}

struct H2 {
    socket: Socket,
    counters: Arc<EgressCounters>,
    is_retired: AtomicBool,
    streams: AtomicU32,
}

struct Origin(Arc<World>);

impl Drop for Socket {
    fn drop(&mut self) {
        self.world.open.fetch_sub(1, SeqCst);
        self.lease.take();
    }
}

impl Connector for Origin {
    type H1 = H1;
    type H2 = H2;

    async fn open(&self, key: &GroupKey, lease: PortLease) -> Result<Opened<H1, H2>, Error> {
        let world = self.0.clone();
        world.dials.fetch_add(1, SeqCst);
        let counters = lease.counters().clone();
        let open = world.open.fetch_add(1, SeqCst) + 1;
        world.most_open.fetch_max(open, SeqCst);
        assert!(open <= world.cap, "{open} sockets are open, the cap is {}", world.cap);
        let socket = Socket { world: world.clone(), lease: Some(lease), key: key.clone() };
        tokio::task::yield_now().await;
        if world.is_down.load(SeqCst) {
            return Err(Error::new(Code::OriginRefused));
        }
        Ok(match world.h2_streams.filter(|_| key.transport != Transport::Http1) {
            Some(_) => Opened::H2(H2 {
                socket,
                counters,
                is_retired: AtomicBool::new(false),
                streams: AtomicU32::new(0),
            }),
            None => Opened::H1(H1 { socket, counters, is_reusable: true, in_use: AtomicBool::new(false) }),
        })
    }
}

impl PooledH1 for H1 {
    fn is_quiet(&mut self) -> bool {
        true
    }
    fn rehome(&mut self) -> io::Result<()> {
        Ok(())
    }
    fn is_reusable(&self) -> bool {
        self.is_reusable
    }
    fn relax(&mut self) {}
    fn opened_at_ms(&self) -> u64 {
        now_ms()
    }
    fn egress(&self) -> SocketAddr {
        let lease = self.socket.lease.as_ref().expect("a lease");
        SocketAddr::new(lease.key().egress_ip, lease.port())
    }
    fn counters(&self) -> &Arc<EgressCounters> {
        &self.counters
    }
}

impl PooledH2 for H2 {
    fn stream_limit(&self) -> u32 {
        self.socket.world.h2_streams.unwrap_or(0)
    }
    fn is_usable(&self) -> bool {
        !self.is_retired.load(SeqCst)
    }
    fn retire(&self) {
        self.is_retired.store(true, SeqCst);
    }
    fn covers(&self, host: &str) -> bool {
        self.socket.world.covered.contains(&host)
    }
    fn opened_at_ms(&self) -> u64 {
        now_ms()
    }
    fn counters(&self) -> &Arc<EgressCounters> {
        &self.counters
    }
}

struct Scene {
    world: Arc<World>,
    pool: Arc<ConnectionPool<Origin>>,
    ports: Arc<PortTable>,
    addresses: Arc<EgressPool>,
}

const SETTINGS: PoolSettings = PoolSettings {
    idle_ms: 60_000,
    most_age_ms: 600_000,
    queue_ms: 20_000,
    queue_length: 100_000,
    dial_ms: 20_000,
};

fn addresses(id: &str, ips: &[&str], cap: u32) -> Arc<EgressPool> {
    let address = |ip: &&str| EgressAddress {
        ip: ip.parse().expect("address"),
        slices: [(20_000, 29_999)].as_slice().into(),
        cap,
        draining: false,
    };
    Arc::new(EgressPool::new(id, ips.iter().map(address).collect()))
}

fn scene(h2_streams: Option<u32>, cap: u32, covered: &'static [&'static str]) -> Scene {
    let world = Arc::new(World {
        h2_streams,
        open: AtomicUsize::new(0),
        most_open: AtomicUsize::new(0),
        dials: AtomicU64::new(0),
        is_down: AtomicBool::new(false),
        covered,
        cap: cap as usize,
    });
    let ports = Arc::new(PortTable::new(Arc::new(Registry::default())));
    let pool = ConnectionPool::new(Origin(world.clone()), ports.clone(), Arc::new(Dialer::default()), 4);
    pool.set(&SETTINGS);
    let addresses = addresses("pool", &["192.0.2.1"], cap);
    pool.own_pools(std::slice::from_ref(&addresses));
    Scene { world, pool: Arc::new(pool), ports, addresses }
}

fn tls(name: &str, verify: Verify) -> Transport {
    Transport::Tls(Box::new(TlsKey { server_name: name.into(), verify, http2: true, trust: 0 }))
}

fn origin() -> SocketAddr {
    SocketAddr::from(([198, 51, 100, 1], 443))
}

impl Scene {
    fn key(&self, transport: Transport) -> GroupKey {
        GroupKey { pool: self.addresses.serial, account: 1, origin: origin(), transport, max_streams: 100 }
    }

    fn want<'a>(&'a self, transport: Transport, host: &'a str, worker: usize) -> Want<'a> {
        Want {
            key: self.key(transport),
            pool: &self.addresses,
            host,
            worker,
            is_fresh: false,
            may_wait: true,
        }
    }

    async fn acquire(&self, transport: Transport, host: &str) -> Result<Acquired<Origin>, Error> {
        self.pool.acquire(&self.want(transport, host, 0)).await
    }

    fn live(&self) -> u32 {
        let key = egressway_counters::EgressKey {
            egress_ip: self.addresses.addresses[0].ip,
            origin: origin(),
            protocol: egressway_counters::Protocol::Tcp,
        };
        self.ports.live(&key)
    }
}

fn finish(acquired: Acquired<Origin>) {
    if let Reusable::H1(loan) = acquired.connection {
        loan.give_back();
    }
}

#[tokio::test]
async fn a_connection_is_used_again_and_by_whoever_needs_it() {
    let scene = scene(None, 10, &[]);
    for worker in 0..4 {
        let want = scene.want(Transport::Http1, "a.example.com", worker);
        let acquired = scene.pool.acquire(&want).await.expect("a connection");
        assert_eq!(acquired.is_reused, worker > 0);
        finish(acquired);
    }
    assert_eq!(scene.world.dials.load(SeqCst), 1);
}

#[tokio::test]
async fn another_pool_account_origin_or_transport_never_gets_a_connection() {
    let scene = scene(None, 100, &[]);
    finish(scene.acquire(Transport::Http1, "a.example.com").await.expect("a connection"));
    let other_pool = addresses("pool", &["192.0.2.2"], 10);
    scene.pool.own_pools(&[scene.addresses.clone(), other_pool.clone()]);
    let base = scene.key(Transport::Http1);
    let others = [
        GroupKey { pool: other_pool.serial, ..base.clone() },
        GroupKey { account: 2, ..base.clone() },
        GroupKey { origin: SocketAddr::from(([198, 51, 100, 1], 444)), ..base.clone() },
        GroupKey { transport: tls("a.example.com", Verify::Full), ..base.clone() },
        GroupKey { max_streams: 1, ..base.clone() },
    ];
    for key in others {
        let pool = if key.pool == other_pool.serial { &other_pool } else { &scene.addresses };
        let want = Want {
            key: key.clone(),
            pool,
            host: "a.example.com",
            worker: 0,
            is_fresh: false,
            may_wait: true,
        };
        let acquired = scene.pool.acquire(&want).await.expect("a connection");
        assert!(!acquired.is_reused);
        let Reusable::H1(loan) = &acquired.connection else { panic!("HTTP/1") };
        assert_eq!(loan.socket.key, key);
    }
}

#[tokio::test]
async fn a_cold_burst_opens_as_many_connections_as_its_streams_need() {
    let scene = Arc::new(scene(Some(100), 1_000, &[]));
    let tasks: Vec<_> = (0..1_000)
        .map(|_| {
            let scene = scene.clone();
            tokio::spawn(async move {
                scene.acquire(tls("a.example.com", Verify::Strict), "a.example.com").await.expect("a stream")
            })
        })
        .collect();
    let mut held = Vec::new();
    for task in tasks {
        held.push(task.await.expect("no panic"));
    }
    assert_eq!(scene.world.dials.load(SeqCst), 10);
}

#[tokio::test]
async fn a_failed_dial_ends_the_wait_of_all_who_shared_it() {
    let scene = Arc::new(scene(Some(100), 1_000, &[]));
    scene.world.is_down.store(true, SeqCst);
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let scene = scene.clone();
            tokio::spawn(async move {
                scene.acquire(tls("a.example.com", Verify::Off), "a.example.com").await.err()
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.expect("no panic").map(|e| e.code), Some(Code::OriginRefused));
    }
    assert_eq!(scene.world.dials.load(SeqCst), 1);
    scene.world.is_down.store(false, SeqCst);
    let later = scene.acquire(tls("a.example.com", Verify::Off), "a.example.com").await;
    assert!(later.is_ok(), "a refusal is not remembered");
}

#[tokio::test]
async fn a_covered_hostname_shares_a_connection_under_strict_alone() {
    for (verify, is_shared) in [(Verify::Strict, true), (Verify::Full, false), (Verify::Off, false)] {
        let scene = scene(Some(100), 10, &["b.example.com"]);
        let _first = scene.acquire(tls("a.example.com", verify), "a.example.com").await.expect("a stream");
        let covered = scene.acquire(tls("b.example.com", verify), "b.example.com").await.expect("a stream");
        assert_eq!((covered.is_coalesced, scene.world.dials.load(SeqCst) == 1), (is_shared, is_shared));
        let other = scene.acquire(tls("c.example.com", verify), "c.example.com").await.expect("a stream");
        assert!(!other.is_coalesced, "its name is not covered");
    }
}

#[tokio::test]
async fn a_misdirected_hostname_keeps_to_its_own_connection() {
    let scene = scene(Some(100), 10, &["b.example.com"]);
    let _first =
        scene.acquire(tls("a.example.com", Verify::Strict), "a.example.com").await.expect("a stream");
    let want = scene.want(tls("b.example.com", Verify::Strict), "b.example.com", 0);
    assert!(scene.pool.acquire(&want).await.expect("a stream").is_coalesced);
    scene.pool.insist_on_own(&want);
    assert!(!scene.pool.acquire(&want).await.expect("a stream").is_coalesced);
}

#[tokio::test]
async fn at_the_cap_the_first_who_waits_is_the_first_served() {
    let scene = Arc::new(scene(None, 1, &[]));
    let held = scene.acquire(Transport::Http1, "a.example.com").await.expect("a connection");
    let order = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for number in 0..20 {
        let (spawned, order) = (scene.clone(), order.clone());
        tasks.push(tokio::spawn(async move {
            let acquired = spawned.acquire(Transport::Http1, "a.example.com").await.expect("a connection");
            order.lock().push(number);
            tokio::task::yield_now().await;
            // Closing and keeping alternate: a port and a connection both reach the next one.
            if number % 2 == 0 { finish(acquired) } else { drop(acquired) }
        }));
        while scene.pool.waiting() <= number {
            tokio::task::yield_now().await;
        }
    }
    finish(held);
    for task in tasks {
        task.await.expect("no panic");
    }
    assert_eq!(*order.lock(), (0..20).collect::<Vec<_>>());
    assert_eq!(scene.world.most_open.load(SeqCst), 1);
}

#[tokio::test]
async fn a_port_held_by_an_idle_connection_of_another_hostname_is_freed() {
    let scene = scene(None, 1, &[]);
    finish(scene.acquire(tls("a.example.com", Verify::Full), "a.example.com").await.expect("a connection"));
    assert_eq!(scene.world.open.load(SeqCst), 1);
    let other =
        scene.acquire(tls("b.example.com", Verify::Full), "b.example.com").await.expect("a connection");
    assert!(!other.is_reused);
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_too_long_is_refused_with_the_reason() {
    let scene = scene(None, 1, &[]);
    scene.pool.set(&PoolSettings { queue_ms: 50, ..SETTINGS });
    let _held = scene.acquire(Transport::Http1, "a.example.com").await.expect("a connection");
    let refused = scene.acquire(Transport::Http1, "a.example.com").await.err().expect("no connection");
    assert_eq!(refused.code, Code::EgressCapacityExhausted);
    scene.pool.set(&PoolSettings { queue_length: 0, ..SETTINGS });
    let refused = scene.acquire(Transport::Http1, "a.example.com").await.err().expect("no place");
    assert_eq!(refused.code, Code::EgressCapacityExhausted);
    assert_eq!(scene.pool.waiting(), 0);
}

#[tokio::test]
async fn a_pool_without_the_family_fails_closed() {
    let scene = scene(Some(100), 10, &[]);
    let v6 = SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], 443));
    for transport in [Transport::Http1, Transport::H2c, tls("a.example.com", Verify::Strict)] {
        let key = GroupKey { origin: v6, ..scene.key(transport) };
        let want = Want {
            key,
            pool: &scene.addresses,
            host: "a.example.com",
            worker: 0,
            is_fresh: false,
            may_wait: true,
        };
        let refused = scene.pool.acquire(&want).await.err().expect("no connection");
        assert_eq!(refused.code, Code::NoApplicableIp);
    }
    assert_eq!(scene.world.dials.load(SeqCst), 0);
}

#[tokio::test]
async fn connections_of_a_pool_that_is_gone_are_closed() {
    let scene = scene(None, 10, &[]);
    finish(scene.acquire(Transport::Http1, "a.example.com").await.expect("a connection"));
    let in_use =
        scene.acquire(tls("a.example.com", Verify::Full), "a.example.com").await.expect("a connection");
    scene.pool.retain_pools(&[]);
    assert_eq!(scene.world.open.load(SeqCst), 1, "only the one in use is left");
    finish(in_use);
    assert_eq!((scene.world.open.load(SeqCst), scene.live()), (0, 0));
}

#[tokio::test]
async fn whoever_waits_for_a_port_that_leaves_is_told_at_once() {
    let scene = Arc::new(scene(None, 1, &[]));
    let held = scene.acquire(Transport::Http1, "a.example.com").await.expect("a connection");
    let asking = scene.clone();
    let task = tokio::spawn(async move { asking.acquire(Transport::Http1, "a.example.com").await });
    while scene.pool.waiting() == 0 {
        tokio::task::yield_now().await;
    }
    let moved = addresses("pool", &["192.0.2.2"], 1);
    scene.pool.own_pools(std::slice::from_ref(&moved));
    scene.pool.retain_pools(std::slice::from_ref(&moved));
    let told = tokio::time::timeout(Duration::from_secs(5), task).await.expect("at once").expect("no panic");
    assert_eq!(told.err().map(|error| error.code), Some(Code::NoApplicableIp));
    let late = scene.acquire(Transport::Http1, "a.example.com").await;
    assert_eq!(late.err().map(|error| error.code), Some(Code::NoApplicableIp), "the pool is not what it was");
    assert_eq!(scene.live(), 1, "the one in use goes on");
    finish(held);
    assert_eq!((scene.live(), scene.world.open.load(SeqCst)), (0, 0));
    let key = GroupKey { pool: moved.serial, ..scene.key(Transport::Http1) };
    let want = Want { key, pool: &moved, host: "a.example.com", worker: 0, is_fresh: false, may_wait: true };
    assert!(scene.pool.acquire(&want).await.is_ok());
}

/// The pool of the scene with other slices.
fn with_slices(slices: &[(u16, u16)], cap: u32) -> Arc<EgressPool> {
    let ip = "192.0.2.1".parse().expect("address");
    Arc::new(EgressPool::new("pool", vec![EgressAddress { ip, slices: slices.into(), cap, draining: false }]))
}

impl Scene {
    /// The pool is `next` from now on, and the scene asks for it.
    fn change(&mut self, next: Arc<EgressPool>) {
        self.pool.own_pools(std::slice::from_ref(&next));
        self.pool.retain_pools(std::slice::from_ref(&next));
        self.addresses = next;
    }
}

#[tokio::test]
async fn connections_whose_ports_stay_are_used_on_when_others_leave() {
    let mut scene = scene(None, 10, &[]);
    let held: Vec<_> = taken(&scene, 4).await;
    let mut ports: Vec<u16> = held.iter().map(port_of).collect();
    ports.sort_unstable();
    let mut held = held.into_iter();
    held.by_ref().take(2).for_each(finish);
    // Two lie idle, two are in use; the lowest port leaves.
    scene.change(with_slices(&[(ports[0] + 1, 29_999)], 10));
    held.for_each(finish);
    assert_eq!((scene.live(), scene.world.open.load(SeqCst)), (3, 3));
    let again = taken(&scene, 3).await;
    assert!(again.iter().all(|acquired| acquired.is_reused && port_of(acquired) != ports[0]));
    assert_eq!(scene.world.dials.load(SeqCst), 4);
}

#[tokio::test]
async fn no_more_connections_stay_than_the_cap_that_is_left() {
    let mut scene = scene(None, 10, &[]);
    taken(&scene, 6).await.into_iter().for_each(finish);
    scene.change(with_slices(&[(20_000, 29_999)], 2));
    assert_eq!((scene.live(), scene.world.open.load(SeqCst)), (2, 2));
    scene.pool.retain_pools(&[]);
    assert_eq!(scene.live(), 0);
}

async fn taken(scene: &Scene, count: usize) -> Vec<Acquired<Origin>> {
    let mut acquired = Vec::new();
    for _ in 0..count {
        acquired.push(scene.acquire(Transport::Http1, "a.example.com").await.expect("a connection"));
    }
    acquired
}

fn port_of(acquired: &Acquired<Origin>) -> u16 {
    let Reusable::H1(loan) = &acquired.connection else { panic!("HTTP/1") };
    loan.egress().port()
}

/// One client's behaviour: what it wants, how long it keeps it, how it ends.
#[derive(Debug, Clone)]
struct Client {
    transport: u8,
    pauses: u8,
    ends: End,
}

#[derive(Debug, Clone, Copy)]
enum End {
    Clean,
    Broken,
    /// Gives up after so many polls, perhaps while it waits.
    Cancelled(u8),
}

fn client() -> impl Strategy<Value = Client> {
    let ends = prop_oneof![
        4 => Just(End::Clean),
        2 => Just(End::Broken),
        2 => (0u8..12).prop_map(End::Cancelled),
    ];
    (0u8..4, 0u8..6, ends).prop_map(|(transport, pauses, ends)| Client { transport, pauses, ends })
}

fn transport_of(number: u8) -> (Transport, &'static str) {
    match number {
        0 => (Transport::Http1, "a.example.com"),
        1 => (tls("a.example.com", Verify::Strict), "a.example.com"),
        2 => (tls("b.example.com", Verify::Strict), "b.example.com"),
        _ => (tls("c.example.com", Verify::Full), "c.example.com"),
    }
}

async fn act(scene: &Scene, client: &Client, worker: usize) {
    let (transport, host) = transport_of(client.transport);
    let want = scene.want(transport, host, worker);
    let acquired = scene.pool.acquire(&want).await.expect("everybody is served in the end");
    let in_use = match &acquired.connection {
        Reusable::H1(loan) => {
            assert!(!loan.in_use.swap(true, SeqCst), "two requests on one HTTP/1 connection");
            assert_eq!(loan.socket.key, want.key);
            None
        }
        Reusable::H2(permit) => {
            let h2 = permit.connection();
            assert!(h2.streams.fetch_add(1, SeqCst) < h2.stream_limit(), "more streams than allowed");
            assert!(h2.socket.key == want.key || acquired.is_coalesced);
            Some(())
        }
    };
    for _ in 0..client.pauses {
        tokio::task::yield_now().await;
    }
    match acquired.connection {
        Reusable::H1(mut loan) => {
            loan.in_use.store(false, SeqCst);
            loan.is_reusable = matches!(client.ends, End::Clean);
            loan.give_back();
        }
        Reusable::H2(permit) => {
            assert!(in_use.is_some());
            permit.connection().streams.fetch_sub(1, SeqCst);
        }
    }
}

async fn act_or_give_up(scene: Arc<Scene>, client: Client, worker: usize) {
    let End::Cancelled(polls) = client.ends else { return act(&scene, &client, worker).await };
    let mut acting = std::pin::pin!(async {
        let (transport, host) = transport_of(client.transport);
        let want = scene.want(transport, host, worker);
        let acquired = scene.pool.acquire(&want).await;
        std::future::pending::<()>().await;
        drop(acquired);
    });
    for _ in 0..polls {
        let gave_up = std::future::poll_fn(|cx| {
            let _ = acting.as_mut().poll(cx);
            std::task::Poll::Ready(())
        });
        gave_up.await;
        tokio::task::yield_now().await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, max_shrink_iters: 150, ..ProptestConfig::default() })]
    #[test]
    fn everybody_is_served_nothing_is_shared_and_nothing_leaks(
        clients in proptest::collection::vec(client(), 1..80),
        cap in 1u32..8,
        streams in proptest::option::of(1u32..5),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(async {
            let scene = Arc::new(scene(streams, cap, &["b.example.com"]));
            let tasks: Vec<_> = clients
                .into_iter()
                .enumerate()
                .map(|(i, client)| tokio::spawn(act_or_give_up(scene.clone(), client, i % 4)))
                .collect();
            for task in tasks {
                let served = tokio::time::timeout(Duration::from_secs(5), task).await;
                served.expect("nobody waits for ever").expect("no panic");
            }
            assert_eq!(scene.pool.waiting(), 0);
            scene.pool.retain_pools(&[]);
            tokio::task::yield_now().await;
            while scene.world.open.load(SeqCst) > 0 {
                tokio::task::yield_now().await;
            }
            assert_eq!(scene.live(), 0);
        });
    }
}

#[test]
fn many_threads_are_all_served_within_the_cap() {
    let scene = Arc::new(scene(Some(3), 5, &["b.example.com"]));
    let threads: Vec<_> = (0..4)
        .map(|worker| {
            let scene = scene.clone();
            std::thread::spawn(move || {
                let runtime =
                    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
                runtime.block_on(async {
                    let clients = (0..300u16).map(|i| Client {
                        transport: (i % 4) as u8,
                        pauses: (i % 5) as u8,
                        ends: if i % 7 == 0 { End::Broken } else { End::Clean },
                    });
                    let tasks: Vec<_> = clients
                        .map(|client| tokio::spawn(act_or_give_up(scene.clone(), client, worker)))
                        .collect();
                    for task in tasks {
                        task.await.expect("no panic");
                    }
                });
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("everybody is served");
    }
    assert_eq!(scene.pool.waiting(), 0);
    assert!(scene.world.most_open.load(SeqCst) <= 5);
}

#[tokio::test]
async fn at_the_cap_the_first_who_waits_for_a_stream_is_the_first_served() {
    let scene = Arc::new(scene(Some(1), 1, &[]));
    let transport = || tls("a.example.com", Verify::Full);
    let held = scene.acquire(transport(), "a.example.com").await.expect("a stream");
    let order = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for number in 0..20 {
        let (spawned, order) = (scene.clone(), order.clone());
        tasks.push(tokio::spawn(async move {
            let acquired = spawned.acquire(transport(), "a.example.com").await.expect("a stream");
            order.lock().push(number);
            tokio::task::yield_now().await;
            drop(acquired);
        }));
        // Whoever finds every port taken settles in the line within a few turns.
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        assert_eq!(scene.pool.waiting(), number + 1);
    }
    drop(held);
    for task in tasks {
        task.await.expect("no panic");
    }
    assert_eq!(*order.lock(), (0..20).collect::<Vec<_>>());
}

#[tokio::test]
async fn streams_of_a_connection_that_one_dialled_in_its_turn_serve_the_others_in_line() {
    let scene = Arc::new(scene(Some(10), 1, &[]));
    let held = scene.acquire(Transport::Http1, "a.example.com").await.expect("a connection");
    let tasks: Vec<_> = (0..5)
        .map(|_| {
            let scene = scene.clone();
            tokio::spawn(
                async move { scene.acquire(tls("b.example.com", Verify::Full), "b.example.com").await },
            )
        })
        .collect();
    while scene.pool.waiting() < 5 {
        tokio::task::yield_now().await;
    }
    drop(held);
    let mut streams = Vec::new();
    for task in tasks {
        let served = tokio::time::timeout(Duration::from_secs(5), task).await;
        streams.push(served.expect("nine streams are free").expect("no panic").expect("a stream"));
    }
    assert_eq!(scene.world.dials.load(SeqCst), 2);
}

#[tokio::test]
async fn a_request_whose_pool_goes_while_its_connection_is_opened_is_served() {
    for streams in [None, Some(10)] {
        let scene = Arc::new(scene(streams, 10, &[]));
        let asking = scene.clone();
        let task =
            tokio::spawn(
                async move { asking.acquire(tls("a.example.com", Verify::Full), "a.example.com").await },
            );
        while scene.world.dials.load(SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        scene.pool.retain_pools(&[]);
        let served = tokio::time::timeout(Duration::from_secs(5), task).await;
        assert!(served.expect("in time").expect("no panic").is_ok(), "{streams:?}");
        assert!(scene.world.dials.load(SeqCst) <= 2, "{streams:?}");
    }
}

#[tokio::test]
async fn who_may_not_wait_is_told_at_once_and_takes_nobodys_turn() {
    let scene = Arc::new(scene(None, 1, &[]));
    let busy = scene.acquire(Transport::Http1, "a.example.com").await.expect("a connection");
    let impatient = Want { may_wait: false, ..scene.want(Transport::Http1, "a.example.com", 0) };
    let full = |outcome: Result<Acquired<Origin>, Error>| {
        assert_eq!(outcome.err().map(|error| error.code), Some(Code::EgressCapacityExhausted));
    };
    full(scene.pool.acquire(&impatient).await);
    let waiting = tokio::spawn({
        let scene = scene.clone();
        async move { scene.acquire(Transport::Http1, "a.example.com").await.map(finish) }
    });
    while scene.pool.waiting() == 0 {
        tokio::task::yield_now().await;
    }
    full(scene.pool.acquire(&impatient).await);
    finish(busy);
    waiting.await.expect("no panic").expect("its turn");
    assert!(scene.pool.acquire(&impatient).await.is_ok(), "what is free may be had without waiting");
}
