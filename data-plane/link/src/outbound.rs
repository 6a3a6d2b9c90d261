//! One connection to a peer: dialled, proved, kept alive by heartbeats until it ends.

use crate::identity::{Identity, is_agreed};
use crate::links::{LinkSettings, Peer};
use bytes::Bytes;
use h2::client::SendRequest;
use h2::{Ping, PingPong};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// What one stream may have on its way, and what one slow client can make this server hold: as much as an HTTP/2
/// origin's stream, so that forwarding adds nothing to it.
pub(crate) const STREAM_WINDOW: u32 = 512 * 1024;
/// Requests at once on one connection; there may be several connections.
pub(crate) const STREAMS: u32 = 4_000;
/// Streams belong to different clients: slow ones must not take the room of the others, even if all but one are slow.
pub(crate) const CONNECTION_WINDOW: u32 = (1 << 31) - 1;
const _: () = assert!(STREAMS as u64 * STREAM_WINDOW as u64 <= CONNECTION_WINDOW as u64);
pub(crate) const FRAME_BYTES: u32 = 64 * 1024;
/// Bytes of one stream that wait for the socket.
pub(crate) const SEND_BUFFER: usize = 256 * 1024;
/// The head of a stream is a few fixed fields, its trailers one record.
pub(crate) const HEADER_LIST: u32 = 2 << 20;
/// Streams that are given up before the far worker has looked at them, at most.
pub(crate) const UNSEEN_RESETS: usize = 64 * 1024;
/// Streams given up that are remembered, so that what was on its way to them needs no answer.
pub(crate) const RESET_STREAMS: usize = 1024;

pub(crate) struct Outbound {
    pub send: SendRequest<Bytes>,
    pub state: Arc<State>,
}

/// What a connection's users, its driver and whoever ends it share.
#[derive(Default)]
pub(crate) struct State {
    is_closed: AtomicBool,
    pub in_use: AtomicU32,
    cut: Notify,
}

impl State {
    pub fn is_usable(&self) -> bool {
        !self.is_closed.load(Relaxed)
    }

    /// Takes no new streams; those that are open end by themselves.
    pub fn retire(&self) {
        self.is_closed.store(true, Relaxed);
    }

    /// Ends it at once, with all streams.
    pub fn cut(&self) {
        self.retire();
        self.cut.notify_one();
    }
}

type Connection = h2::client::Connection<TlsStream<TcpStream>, Bytes>;

/// Connects, proves both sides, and waits until the peer has said so by its first settings.
pub(crate) async fn dial(
    peer: &Peer,
    identity: &Identity,
    settings: LinkSettings,
) -> io::Result<(SendRequest<Bytes>, Connection)> {
    let dialling = async {
        let tcp = TcpStream::connect(peer.address).await?;
        tcp.set_nodelay(true)?;
        let tls = TlsConnector::from(identity.client.clone()).connect(peer.name.clone(), tcp).await?;
        if !is_agreed(tls.get_ref().1.alpn_protocol()) {
            return Err(io::Error::other("the peer speaks another layout of the link"));
        }
        begin(tls).await.map_err(io::Error::other)
    };
    let slow = |_| io::Error::new(io::ErrorKind::TimedOut, "the peer did not answer in time");
    tokio::time::timeout(settings.dial, dialling).await.map_err(slow)?
}

async fn begin(tls: TlsStream<TcpStream>) -> Result<(SendRequest<Bytes>, Connection), h2::Error> {
    let (send, mut connection) = h2::client::Builder::new()
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(FRAME_BYTES)
        .max_send_buffer_size(SEND_BUFFER)
        .max_header_list_size(HEADER_LIST)
        .max_concurrent_reset_streams(RESET_STREAMS)
        // By default a connection ends when data has come for a thousand streams that were given up, which clients do.
        .max_local_error_reset_streams(None)
        .enable_push(false)
        .initial_max_send_streams(0)
        .handshake(tls)
        .await?;
    std::future::poll_fn(|cx| {
        let ended = Pin::new(&mut connection).poll(cx)?;
        if send.current_max_send_streams() > 0 {
            return Poll::Ready(Ok(()));
        }
        match ended {
            Poll::Ready(()) => Poll::Ready(Err(h2::Error::from(h2::Reason::CONNECT_ERROR))),
            Poll::Pending => Poll::Pending,
        }
    })
    .await?;
    Ok((send, connection))
}

/// Why a connection has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Closed by either side, or broken.
    Closed,
    /// The peer answers no heartbeat.
    Dead,
}

/// Drives a connection to its end. Dropping it there fails every stream that is still open.
pub(crate) async fn drive(
    mut connection: Connection,
    state: Arc<State>,
    peer: Arc<Peer>,
    settings: LinkSettings,
) -> Ended {
    let ping = connection.ping_pong();
    let ended = tokio::select! {
        // What has come in is read first: an answer that has been waiting for this worker is no silence of the peer.
        biased;
        _ = &mut connection => Ended::Closed,
        () = state.cut.notified() => Ended::Closed,
        () = beat(ping, settings.ping, settings.dead, |rtt| peer.note_rtt(rtt)) => Ended::Dead,
    };
    state.retire();
    ended
}

/// Returns when the peer leaves a ping unanswered for `dead`; `note` is told how long each answer took.
pub(crate) async fn beat(ping: Option<PingPong>, pause: Duration, dead: Duration, note: impl Fn(Duration)) {
    let Some(mut ping) = ping else { return std::future::pending().await };
    loop {
        let asked = Instant::now();
        match tokio::time::timeout(dead, ping.ping(Ping::opaque())).await {
            Ok(Ok(_)) => note(asked.elapsed()),
            // The connection itself tells what has become of it.
            Ok(Err(_)) => return std::future::pending().await,
            Err(_) => return,
        }
        tokio::time::sleep(pause.max(Duration::from_millis(1))).await;
    }
}
