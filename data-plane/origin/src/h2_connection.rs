//! An HTTP/2 connection to an origin, shared by all workers, and one exchange over it.

use bytes::Bytes;
use egressway_core::side::{BodySink, BodySource, OriginSide, Outbound};
use egressway_core::{Code, Error, Fields, Framing, Method, RequestHead, ResponseHead};
use egressway_http2::{ToOriginH2, request_to_h2, response_from_h2};
use egressway_streams::{H2Sink, H2Source};
use h2::client::{ResponseFuture, SendRequest};
use h2::{Ping, Reason};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;

/// What one slow client can make us hold, and what is on its way from a distant origin at once.
const STREAM_WINDOW: u32 = 512 * 1024;

/// Room for every stream at once: the streams belong to different clients, and a slow one must not take the room of
/// the others.
fn connection_window(max_streams: u32) -> u32 {
    max_streams.saturating_add(1).saturating_mul(STREAM_WINDOW).min((1 << 31) - 1)
}

/// After so many stream timeouts in a row the connection takes no new streams.
const TIMEOUTS_IN_A_ROW: u32 = 3;
/// A peer that leaves a ping unanswered for so long is gone.
const PING_DEADLINE: Duration = Duration::from_secs(5);

/// What all users of a connection and its driver share.
#[derive(Default)]
struct State {
    is_closed: AtomicBool,
    timeouts: AtomicU32,
    ask_ping: Notify,
}

pub struct H2Connection {
    send: SendRequest<Bytes>,
    state: Arc<State>,
    pub egress_ip: IpAddr,
    pub egress_port: u16,
    pub opened_at: Instant,
    is_https: bool,
    /// Streams we allow ourselves at most.
    max_streams: u32,
    /// DER of the certificate the origin presented and that was verified under `strict`.
    certificate: Option<Vec<u8>>,
}

/// Everything about a new connection that its socket does not know.
pub struct Opened {
    pub egress_ip: IpAddr,
    pub egress_port: u16,
    /// The connection is secured by TLS; tells the `:scheme` of its requests.
    pub is_https: bool,
    pub max_streams: u32,
    pub certificate: Option<Vec<u8>>,
}

impl H2Connection {
    /// Begins HTTP/2 on `io` and waits for the origin's first SETTINGS, so that its stream limit is known.
    /// Returns the connection and the future that drives it; the socket lives as long as that future.
    pub async fn open<T>(
        io: T,
        opened: Opened,
    ) -> Result<(H2Connection, impl Future<Output = ()> + Send + 'static), Error>
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (send, mut connection) = h2::client::Builder::new()
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(connection_window(opened.max_streams))
            .enable_push(false)
            .max_header_list_size(64 * 1024)
            .initial_max_send_streams(0)
            .handshake::<T, Bytes>(io)
            .await
            .map_err(|e| Error::because(Code::OriginProtocol, e))?;
        std::future::poll_fn(|cx| {
            if send.current_max_send_streams() > 0 {
                return Poll::Ready(Ok(()));
            }
            match std::pin::Pin::new(&mut connection).poll(cx) {
                Poll::Ready(Ok(())) => {
                    Poll::Ready(Err(Error::because(Code::OriginClosed, "closed before SETTINGS")))
                }
                Poll::Ready(Err(error)) => Poll::Ready(Err(Error::because(Code::OriginProtocol, error))),
                Poll::Pending if send.current_max_send_streams() > 0 => Poll::Ready(Ok(())),
                Poll::Pending => Poll::Pending,
            }
        })
        .await?;
        let state = Arc::new(State::default());
        let driver = drive(connection, state.clone());
        let connection = H2Connection {
            send,
            state,
            egress_ip: opened.egress_ip,
            egress_port: opened.egress_port,
            opened_at: Instant::now(),
            is_https: opened.is_https,
            max_streams: opened.max_streams,
            certificate: opened.certificate,
        };
        Ok((connection, driver))
    }

    pub fn stream_limit(&self) -> u32 {
        let theirs = u32::try_from(self.send.current_max_send_streams()).unwrap_or(u32::MAX);
        theirs.min(self.max_streams)
    }

    pub fn is_usable(&self) -> bool {
        !self.state.is_closed.load(Relaxed) && self.state.timeouts.load(Relaxed) < TIMEOUTS_IN_A_ROW
    }

    pub fn certificate(&self) -> Option<&[u8]> {
        self.certificate.as_deref()
    }

    /// One exchange; the caller holds a stream of the connection's limit.
    pub fn exchange(&self) -> H2Exchange {
        H2Exchange {
            send: self.send.clone(),
            state: self.state.clone(),
            is_https: self.is_https,
            response: None,
            sink: None,
            source: None,
            head_request: false,
            is_untouched: true,
            no_trailers: Fields::default(),
        }
    }

    /// Takes no new streams from now on.
    pub fn retire(&self) {
        self.state.is_closed.store(true, Relaxed);
    }
}

/// Drives the connection to its end; `ask_ping` makes it prove that the peer is alive.
async fn drive<T>(mut connection: h2::client::Connection<T, Bytes>, state: Arc<State>)
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let mut ping = connection.ping_pong();
    let prove = async {
        let Some(ping) = ping.as_mut() else { return std::future::pending().await };
        loop {
            state.ask_ping.notified().await;
            if !matches!(tokio::time::timeout(PING_DEADLINE, ping.ping(Ping::opaque())).await, Ok(Ok(_))) {
                return;
            }
            state.timeouts.store(0, Relaxed);
        }
    };
    tokio::select! {
        _ = &mut connection => {}
        () = prove => {}
    }
    state.is_closed.store(true, Relaxed);
}

pub struct H2Exchange {
    send: SendRequest<Bytes>,
    state: Arc<State>,
    is_https: bool,
    response: Option<ResponseFuture>,
    sink: Option<H2Sink>,
    source: Option<H2Source>,
    head_request: bool,
    is_untouched: bool,
    no_trailers: Fields,
}

impl H2Exchange {
    /// The first byte did not come in time: the stream ends, and the connection has to prove itself.
    pub fn timed_out(&mut self) {
        self.state.timeouts.fetch_add(1, Relaxed);
        self.state.ask_ping.notify_one();
        self.reset(Reason::CANCEL);
    }

    pub fn reset(&mut self, reason: Reason) {
        if let Some(sink) = &mut self.sink {
            sink.reset(reason);
        }
    }

    fn fault(&mut self, error: &h2::Error) -> Error {
        let is_refused = error.reason() == Some(Reason::REFUSED_STREAM) && error.is_reset();
        self.is_untouched = error.is_remote() && (is_refused || error.is_go_away());
        if error.is_go_away() || error.is_io() {
            self.state.is_closed.store(true, Relaxed);
        }
        Error::because(Code::OriginClosed, error)
    }

    fn sink(&mut self) -> Result<&mut H2Sink, Error> {
        self.sink.as_mut().ok_or_else(|| Error::because(Code::Internal, "no request was begun"))
    }
}

impl Drop for H2Exchange {
    fn drop(&mut self) {
        let is_complete = self.source.as_ref().is_some_and(H2Source::is_ended);
        if !is_complete || self.sink.as_ref().is_some_and(|sink| !sink.is_ended()) {
            self.reset(Reason::CANCEL);
        }
    }
}

impl OriginSide for H2Exchange {
    const IS_H1: bool = false;

    fn start_request(
        &mut self,
        head: &RequestHead,
        outbound: &Outbound<'_>,
        _websocket_key: Option<&[u8]>,
    ) -> Result<(), Error> {
        self.head_request = head.method == Method::Head;
        let request = request_to_h2(head, &ToOriginH2 { outbound, is_https: self.is_https })?;
        let has_body = head.framing != Framing::None;
        let (response, stream) = self.send.send_request(request, !has_body).map_err(|e| {
            self.state.is_closed.store(true, Relaxed);
            Error::because(Code::OriginClosed, e)
        })?;
        self.is_untouched = false;
        self.response = Some(response);
        self.sink = Some(H2Sink::new(stream, !has_body, Code::OriginClosed));
        Ok(())
    }

    fn poll_response(&mut self, cx: &mut Context<'_>, head: &mut ResponseHead) -> Poll<Result<(), Error>> {
        let Some(future) = &mut self.response else {
            return Poll::Ready(Err(Error::because(Code::Internal, "no request was begun")));
        };
        if let Poll::Ready(Some(Ok(interim))) = future.poll_informational(cx) {
            let (parts, ()) = interim.into_parts();
            response_from_h2(&parts, self.head_request, true, head)?;
            return Poll::Ready(Ok(()));
        }
        match ready!(std::pin::Pin::new(future).poll(cx)) {
            Ok(response) => {
                self.state.timeouts.store(0, Relaxed);
                let (parts, body) = response.into_parts();
                let source = H2Source::new(body, Code::OriginClosed);
                response_from_h2(&parts, self.head_request, source.is_ended(), head)?;
                self.source = Some(source);
                Poll::Ready(Ok(()))
            }
            Err(error) => Poll::Ready(Err(self.fault(&error))),
        }
    }

    fn is_untouched(&self) -> bool {
        self.is_untouched
    }

    fn start_tunnel(&mut self) {}

    fn byte_counts(&self) -> (u64, u64) {
        (self.sink.as_ref().map_or(0, |s| s.sent), self.source.as_ref().map_or(0, |s| s.received))
    }
}

impl BodySource for H2Exchange {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>> {
        match &mut self.source {
            Some(source) => source.poll_piece(cx),
            None => Poll::Ready(Ok(None)),
        }
    }

    fn trailers(&self) -> &Fields {
        self.source.as_ref().map_or(&self.no_trailers, H2Source::trailers)
    }

    fn poll_raw(&mut self, _cx: &mut Context<'_>) -> Poll<Result<&[u8], Error>> {
        Poll::Ready(Err(Error::because(Code::Internal, "HTTP/2 bodies are not passed raw")))
    }

    fn consume_raw(&mut self, _count: usize) {}

    fn is_ended(&self) -> bool {
        self.source.as_ref().is_some_and(H2Source::is_ended)
    }
}

impl BodySink for H2Exchange {
    fn poll_send(&mut self, cx: &mut Context<'_>, piece: &mut Bytes) -> Poll<Result<(), Error>> {
        self.sink()?.poll_send(cx, piece)
    }

    fn poll_finish(
        &mut self,
        _cx: &mut Context<'_>,
        trailers: &Fields,
        _raw: bool,
    ) -> Poll<Result<(), Error>> {
        Poll::Ready(self.sink()?.finish(trailers))
    }

    fn poll_send_raw(&mut self, _cx: &mut Context<'_>, _bytes: &[u8]) -> Poll<Result<usize, Error>> {
        Poll::Ready(Err(Error::because(Code::Internal, "HTTP/2 bodies are not passed raw")))
    }

    fn poll_flush(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }
}
