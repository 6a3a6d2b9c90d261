//! Requests of many accounts share a connection: whoever gives up, however often, takes nobody else along.

use bytes::Bytes;
use egressway_core::side::{BodySink, BodySource, ClientSide, OriginSide, Outbound};
use egressway_core::{Deadline, Deadlines, Error, Framing, RequestHead, ResponseHead};
use egressway_link::passed::{Opened, PassedStream};
use egressway_link::record::Calling;
use egressway_link::{
    Call, Identity, LinkClient, LinkExchange, LinkService, LinkSettings, Links, serve_link,
};
use egressway_snapshot::wire::{Fleet, Peer, Pool, Settings, Snapshot, WIRE};
use egressway_snapshot::{FleetEntry, TableBuilder};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc::UnboundedSender, mpsc::unbounded_channel};

const NEAR: &str = "near";
const FAR: &str = "far";
const PATIENCE: Duration = Duration::from_secs(30);

/// Answers as the target asks for it.
struct Far {
    arrived: UnboundedSender<String>,
    released: Notify,
    unblocked: std::sync::Mutex<mpsc::Receiver<()>>,
    has_ended: Arc<Notify>,
}

impl LinkService for Far {
    async fn serve_call(&self, client: &mut LinkClient, _: &Call, request: &RequestHead, _: &Deadline) {
        let target = String::from_utf8_lossy(request.target()).into_owned();
        let _ = self.arrived.send(target.clone());
        match target.as_str() {
            "/held" => self.released.notified().await,
            // The worker has other things to do, so that much has come in when it looks again.
            "/busy" => drop(self.unblocked.lock().map(|unblocked| unblocked.recv())),
            "/endless" => return pour(client).await,
            _ => drop(poll_fn(|cx| client.poll_gone(cx)).await),
        }
        let answer = ResponseHead { status: 204, framing: Framing::None, ..ResponseHead::default() };
        let _ = client.start_response(&answer, b"");
    }

    async fn serve_passed(self: Arc<Self>, _: PassedStream, _: Opened, _: Arc<Deadlines>) {}

    fn panicked(&self) {
        panic!("a stream's task panicked");
    }
}

async fn pour(client: &mut LinkClient) {
    let answer = ResponseHead { status: 200, framing: Framing::Chunked, ..ResponseHead::default() };
    if client.start_response(&answer, b"").is_err() {
        return;
    }
    loop {
        let mut piece = Bytes::from_static(&[7; 16_384]);
        if poll_fn(|cx| client.poll_send(cx, &mut piece)).await.is_err() {
            return;
        }
    }
}

fn fleet(own: &str, peer: &str, port: u16) -> Arc<FleetEntry> {
    let shared = Pool { id: "shared".into(), addresses: Vec::new(), overflow: false, elsewhere: Vec::new() };
    let peer = Peer {
        server: peer.to_owned(),
        data_center: "dc".to_owned(),
        location: "here".to_owned(),
        address: [127, 0, 0, 1].into(),
        port,
    };
    let around = Fleet {
        server: own.to_owned(),
        data_center: "dc".to_owned(),
        location: "here".to_owned(),
        peers: vec![peer],
        ..Fleet::default()
    };
    let snapshot = Snapshot {
        wire: WIRE,
        revision: 1,
        base_revision: None,
        settings: Settings::default(),
        listeners: Vec::new(),
        pools: vec![shared],
        shared_pool: "shared".to_owned(),
        zones: Vec::new(),
        removed_zones: Vec::new(),
        fleet: around,
    };
    let bytes = egressway_snapshot::encode(&snapshot).expect("bytes");
    TableBuilder::new().build(&bytes).expect("tables").fleet.clone()
}

/// Two servers of one fleet.
fn identities() -> [Identity; 2] {
    let mut authority = CertificateParams::new(Vec::new()).expect("params");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().expect("key")).expect("ca");
    [NEAR, FAR].map(|server| {
        let key = KeyPair::generate().expect("key");
        let name = format!("{server}.node.egressway.internal");
        let leaf = CertificateParams::new([name]).expect("params").signed_by(&key, &authority).expect("leaf");
        Identity::new(authority.pem().as_bytes(), leaf.pem().as_bytes(), key.serialize_pem().as_bytes())
            .expect("an identity")
    })
}

/// The far server runs on a thread of its own; what is returned is this side's.
struct Pair {
    links: Arc<Links>,
    far: Arc<Far>,
    arrived: tokio::sync::mpsc::UnboundedReceiver<String>,
    unblock: mpsc::Sender<()>,
    has_ended: Arc<Notify>,
}

fn pair(settings: LinkSettings) -> Pair {
    let [near, far] = identities();
    let (arrived_in, arrived) = unbounded_channel();
    let (unblock, unblocked) = mpsc::channel();
    let has_ended = Arc::new(Notify::new());
    let service = Arc::new(Far {
        arrived: arrived_in,
        released: Notify::new(),
        unblocked: unblocked.into(),
        has_ended: has_ended.clone(),
    });
    let far_links = Links::new(1);
    far_links.set_identity(far);
    far_links.set(&fleet(FAR, NEAR, 1), settings);
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a listener");
    let port = socket.local_addr().expect("an address").port();
    socket.set_nonblocking(true).expect("a listener");
    let serving = service.clone();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            let listener = TcpListener::from_std(socket).expect("a listener");
            while let Ok((tcp, _)) = listener.accept().await {
                let (service, links) = (serving.clone(), far_links.clone());
                tokio::spawn(async move {
                    serve_link(service.clone(), links, Deadlines::new(), tcp).await;
                    service.has_ended.notify_one();
                });
            }
        });
    });
    let links = Links::new(1);
    links.set_identity(near);
    links.set(&fleet(NEAR, FAR, port), settings);
    Pair { links, far: service, arrived, unblock, has_ended }
}

/// A machine under load may take its time.
fn patient() -> LinkSettings {
    LinkSettings { dial: PATIENCE, ping: Duration::from_millis(250), dead: PATIENCE }
}

impl Pair {
    async fn ask(&self, target: &str) -> LinkExchange<'static> {
        let fleet = fleet(NEAR, FAR, 1);
        let name = &fleet.peers().next().expect("a peer").server.name;
        let server = egressway_core::fleet::Server::new(0, name);
        let seat = self.links.seat(&server, 0).await.expect("a seat");
        let origin = SocketAddr::from(([192, 0, 2, 1], 80));
        let mut exchange = LinkExchange::new(seat, Calling { zone: "z", origin, may_wait: true });
        let mut head = RequestHead::default();
        head.set_method(b"GET");
        head.set_target(target.as_bytes());
        head.set_authority(b"www.example.com", b"www.example.com");
        let outbound = Outbound {
            host: b"www.example.com",
            forwarded_for: b"",
            forwarded_proto: b"http",
            forwarded: b"",
            request_id: &[b'a'; 32],
            cdn_loop: b"",
        };
        exchange.start_request(&head, &outbound, None).expect("begun");
        exchange
    }

    async fn wait_for(&mut self, target: &str) {
        while self.arrived.recv().await.expect("a server") != target {}
    }
}

async fn answer(exchange: &mut LinkExchange<'_>) -> Result<u16, Error> {
    let mut head = ResponseHead::default();
    poll_fn(|cx| exchange.poll_response(cx, &mut head)).await.map(|()| head.status)
}

/// Lets the tasks of this side do what they have to do.
async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn requests_given_up_while_the_far_server_is_busy_take_no_other_along() {
    let mut pair = pair(patient());
    let mut held = pair.ask("/held").await;
    pair.wait_for("/held").await;
    let busy = pair.ask("/busy").await;
    pair.wait_for("/busy").await;
    let mut given_up = Vec::new();
    for _ in 0..200 {
        given_up.push(pair.ask("/gone").await);
    }
    settle().await;
    drop(given_up);
    settle().await;
    pair.unblock.send(()).expect("it is busy");
    pair.far.released.notify_one();
    assert_eq!(answer(&mut held).await.map_err(|error| error.to_string()), Ok(204));
    drop(busy);
}

#[tokio::test]
async fn downloads_given_up_again_and_again_take_no_other_along() {
    let mut pair = pair(patient());
    let mut held = pair.ask("/held").await;
    pair.wait_for("/held").await;
    for _ in 0..20 {
        let mut given_up = Vec::new();
        for _ in 0..100 {
            given_up.push(pair.ask("/endless").await);
        }
        for download in &mut given_up {
            assert_eq!(answer(download).await.map_err(|error| error.to_string()), Ok(200));
            assert!(poll_fn(|cx| download.poll_piece(cx)).await.is_ok());
        }
    }
    pair.far.released.notify_one();
    assert_eq!(answer(&mut held).await.map_err(|error| error.to_string()), Ok(204));
}

#[test]
fn a_peer_that_has_gone_silent_is_let_go() {
    let short = Duration::from_millis(50);
    let (ended, has_ended) = {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let mut pair = pair(LinkSettings { dial: PATIENCE, ping: short, dead: short });
        let begun = runtime.block_on(async {
            let exchange = pair.ask("/gone").await;
            pair.wait_for("/gone").await;
            exchange
        });
        // Its sockets stay open, and nobody does anything for them.
        std::mem::forget((begun, runtime));
        (pair.has_ended.clone(), pair)
    };
    let waiting = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let outcome = waiting.block_on(async { tokio::time::timeout(PATIENCE, ended.notified()).await });
    assert!(outcome.is_ok(), "its connection, and what it has under way, would be kept for ever");
    drop(has_ended);
}
