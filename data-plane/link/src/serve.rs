//! The link's accepting side: a peer's connection is proved, and each of its streams is one request to be sent on.

use crate::exchange::MOST_KEPT;
use crate::identity::{is_agreed, servers_of};
use crate::links::{Admission, Links};
use crate::outbound::{
    CONNECTION_WINDOW, FRAME_BYTES, HEADER_LIST, RESET_STREAMS, SEND_BUFFER, STREAM_WINDOW, STREAMS,
    UNSEEN_RESETS, beat,
};
use crate::passed::{self, Opened, PassedStream, read_opened};
use crate::record::{Call, Failed, Kind, read_call, read_fields, trailers, write_record, write_response};
use crate::source::LinkSource;
use bytes::Bytes;
use egressway_core::side::{BodySink, BodySource, ClientSide, Leg, Passing};
use egressway_core::{Code, Deadline, Deadlines, Error, Fields, Framing, Method, RequestHead, ResponseHead};
use egressway_streams::H2Sink;
use h2::server::{Connection, SendResponse};
use h2::{Reason, RecvStream};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// A peer that does not prove itself within this is none.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Between the start of a stream and the end of its first record.
const CALL: Duration = Duration::from_secs(10);
/// The side that has opened a connection is the first to tell whether the other is dead; this one, which nothing waits
/// for, takes so many times as long. Then what a dead peer has under way gives its ports back.
const PATIENCE: u32 = 4;

/// The egress side of the server.
pub trait LinkService: Send + Sync + 'static {
    /// Sends the request on from an address of this server, and its answer back.
    fn serve_call(
        &self,
        client: &mut LinkClient,
        call: &Call,
        request: &RequestHead,
        deadline: &Deadline,
    ) -> impl Future<Output = ()> + Send;

    /// Serves a client's connection that a peer passes on, as if the client had come here.
    fn serve_passed(
        self: Arc<Self>,
        stream: PassedStream,
        opened: Opened,
        deadlines: Arc<Deadlines>,
    ) -> impl Future<Output = ()> + Send;

    /// A task panicked; its request is gone, everything else goes on.
    fn panicked(&self);
}

/// Serves a connection to its end. Whoever is no peer is cut off without a word.
pub async fn serve_link<V: LinkService>(
    service: Arc<V>,
    links: Arc<Links>,
    deadlines: Arc<Deadlines>,
    tcp: TcpStream,
) {
    let beginning = tokio::time::timeout(HANDSHAKE, begin(&links, tcp));
    let Ok(Some((mut connection, admission))) = beginning.await else { return };
    let idle = deadlines.watch();
    idle.mark_idle();
    let dead = links.dead_after();
    let mut silence = pin!(beat(connection.ping_pong(), dead, PATIENCE * dead, |_| {}));
    let mut is_ending = false;
    loop {
        tokio::select! {
            biased;
            () = admission.revoked() => return,
            accepted = connection.accept() => match accepted {
                Some(Ok((request, respond))) => {
                    let (service, deadlines) = (service.clone(), deadlines.clone());
                    tokio::spawn(serve_stream(service, deadlines, request.into_body(), respond));
                }
                _ => return,
            },
            () = &mut silence => return,
            // The server stops: no new streams, and an end with the last one.
            _ = poll_fn(|cx| idle.poll_expired(cx)), if !is_ending => {
                is_ending = true;
                connection.graceful_shutdown();
            }
        }
    }
}

async fn begin(
    links: &Arc<Links>,
    tcp: TcpStream,
) -> Option<(Connection<TlsStream<TcpStream>, Bytes>, Admission)> {
    tcp.set_nodelay(true).ok()?;
    let identity = links.identity()?;
    let tls = TlsAcceptor::from(identity.server.clone()).accept(tcp).await.ok()?;
    let session = tls.get_ref().1;
    if !is_agreed(session.alpn_protocol()) {
        return None;
    }
    let leaf = session.peer_certificates()?.first()?;
    let admission = links.admit(servers_of(leaf))?;
    let connection = h2::server::Builder::new()
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(FRAME_BYTES)
        .max_send_buffer_size(SEND_BUFFER)
        .max_header_list_size(HEADER_LIST)
        .max_concurrent_streams(STREAMS)
        .max_concurrent_reset_streams(RESET_STREAMS)
        // What clients give up is given up here as well; by default twenty of them while this worker is busy end the
        // connection, and with it what belongs to others.
        .max_pending_accept_reset_streams(UNSEEN_RESETS)
        .max_local_error_reset_streams(None)
        .handshake(tls)
        .await
        .ok()?;
    Some((connection, admission))
}

/// Tells the service of a panic of the task that holds it.
struct PanicWatch<V: LinkService>(Arc<V>);

impl<V: LinkService> Drop for PanicWatch<V> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.panicked();
        }
    }
}

async fn serve_stream<V: LinkService>(
    service: Arc<V>,
    deadlines: Arc<Deadlines>,
    body: RecvStream,
    respond: SendResponse<Bytes>,
) {
    let _watch = PanicWatch(service.clone());
    let mut client = LinkClient::new(body, respond);
    let mut request = RequestHead::default();
    let deadline = deadlines.watch();
    deadline.set(CALL);
    let first = deadline.guard(client.read_first(&mut request)).await;
    deadline.clear();
    match first {
        Ok(Some(First::Call(call))) => {
            service.serve_call(&mut client, &call, &request, &deadline).await;
        }
        Ok(Some(First::Passed(opened))) => {
            drop(deadline);
            let LinkClient { source, mut respond, .. } = client;
            if let Ok(stream) = passed::take(source, &mut respond) {
                service.serve_passed(stream, opened, deadlines).await;
            }
            return;
        }
        _ => {}
    }
    client.end();
}

/// What a stream is for.
enum First {
    Call(Call),
    Passed(Opened),
}

/// The server that forwards a request, in the place of the request's client.
pub struct LinkClient {
    source: LinkSource,
    respond: SendResponse<Bytes>,
    sink: Option<H2Sink>,
    leg: Option<Leg>,
    trailers: Fields,
    is_head_request: bool,
    /// More of the body comes only after a word from here.
    is_awaited: bool,
    is_answered: bool,
}

impl LinkClient {
    fn new(body: RecvStream, respond: SendResponse<Bytes>) -> Self {
        LinkClient {
            source: LinkSource::new(body),
            respond,
            sink: None,
            leg: None,
            trailers: Fields::default(),
            is_head_request: false,
            is_awaited: false,
            is_answered: false,
        }
    }

    async fn read_first(&mut self, request: &mut RequestHead) -> Option<First> {
        let (kind, content) = poll_fn(|cx| self.source.poll_record(cx)).await.ok()?;
        if kind == Kind::Passed {
            return read_opened(&content).map(First::Passed);
        }
        let call = read_call(&content, request).filter(|_| kind == Kind::Request)?;
        self.is_head_request = request.method == Method::Head;
        self.is_awaited = match request.framing {
            Framing::None => false,
            Framing::Length(length) => length > MOST_KEPT as u64,
            Framing::Chunked | Framing::UntilClose => true,
        };
        Some(First::Call(call))
    }

    /// There is no answer, or no more of it.
    pub fn fail(&mut self, error: &Error, is_unknown: bool, is_untouched: bool, attempts: u32) {
        let failed = Failed {
            code: (!is_unknown).then_some(error.code),
            is_untouched,
            attempts,
            cause: error.cause.clone().unwrap_or_default(),
            leg: self.leg,
        };
        let told = if self.is_answered {
            self.begun().and_then(|sink| sink.finish_with(trailers(Kind::Failed, |out| failed.write_to(out))))
        } else {
            self.tell(Kind::Failed, true, |out| failed.write_to(out))
        };
        // Fails only when nobody is there to hear it.
        drop(told);
    }

    fn begun(&mut self) -> Result<&mut H2Sink, Error> {
        if self.sink.is_none() {
            let stream = self
                .respond
                .send_response(http::Response::new(()), false)
                .map_err(|error| Error::because(Code::ClientAborted, error))?;
            self.sink = Some(H2Sink::new(stream, false, Code::ClientAborted));
        }
        self.sink.as_mut().ok_or_else(|| Error::new(Code::Internal))
    }

    fn tell(&mut self, kind: Kind, is_last: bool, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), Error> {
        let mut record = Vec::with_capacity(512);
        write_record(&mut record, kind, write);
        self.begun()?.push(record.into(), is_last)
    }

    fn answer(&mut self, kind: Kind, is_last: bool, head: &ResponseHead) -> Result<(), Error> {
        let mut record = Vec::with_capacity(512);
        write_response(&mut record, kind, self.leg.as_ref(), head);
        self.begun()?.push(record.into(), is_last)
    }

    /// What is not whole is reset.
    fn end(&mut self) {
        match &mut self.sink {
            None => self.respond.send_reset(Reason::INTERNAL_ERROR),
            Some(sink) if !sink.is_ended() => sink.reset(Reason::INTERNAL_ERROR),
            Some(_) => {}
        }
    }
}

impl ClientSide for LinkClient {
    const IS_H1: bool = false;

    fn leaves_by(&mut self, leg: &Leg) {
        self.leg = Some(*leg);
        if std::mem::take(&mut self.is_awaited) {
            // A peer that is gone is noticed by whoever sends to it next.
            let _ = self.tell(Kind::Ready, false, |_| {});
        }
    }

    fn interim(&mut self, head: &ResponseHead) -> Result<(), Error> {
        self.answer(Kind::Interim, false, head)
    }

    fn start_response(&mut self, head: &ResponseHead, _request_id: &[u8]) -> Result<Passing, Error> {
        self.is_answered = true;
        let is_all = head.framing == Framing::None || self.is_head_request;
        self.answer(Kind::Response, is_all, head)?;
        Ok(Passing { raw: false })
    }

    fn start_tunnel(&mut self, head: &ResponseHead, _request_id: &[u8]) -> Result<(), Error> {
        self.is_answered = true;
        self.answer(Kind::Tunnel, false, head)
    }

    fn end_after_response(&mut self) {}

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        Poll::Ready(match &mut self.sink {
            Some(sink) => ready!(sink.poll_reset(cx)),
            None => match ready!(self.respond.poll_reset(cx)) {
                Ok(reason) => Error::because(Code::ClientAborted, reason),
                Err(error) => Error::because(Code::ClientAborted, error),
            },
        })
    }
}

impl BodySource for LinkClient {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>> {
        let broken = |broken| Error::because(Code::ClientAborted, broken);
        let piece = ready!(self.source.poll_piece(cx)).map_err(broken)?;
        if piece.is_none()
            && let Some((kind, content)) = self.source.last.take()
            && (kind != Kind::Trailers || read_fields(&content, &mut self.trailers).is_none())
        {
            return Poll::Ready(Err(Error::because(Code::Internal, "trailers that cannot be read")));
        }
        Poll::Ready(Ok(piece))
    }

    fn trailers(&self) -> &Fields {
        &self.trailers
    }

    fn poll_raw(&mut self, _cx: &mut Context<'_>) -> Poll<Result<&[u8], Error>> {
        Poll::Ready(Err(Error::because(Code::Internal, "bodies on the link are not passed raw")))
    }

    fn consume_raw(&mut self, _count: usize) {}

    fn is_ended(&self) -> bool {
        self.source.is_ended()
    }
}

impl BodySink for LinkClient {
    fn poll_send(&mut self, cx: &mut Context<'_>, piece: &mut Bytes) -> Poll<Result<(), Error>> {
        if self.is_head_request {
            piece.clear();
            return Poll::Ready(Ok(()));
        }
        self.begun()?.poll_send(cx, piece)
    }

    fn poll_finish(&mut self, _cx: &mut Context<'_>, fields: &Fields, _raw: bool) -> Poll<Result<(), Error>> {
        let sink = self.begun()?;
        if sink.is_ended() {
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(if fields.is_empty() {
            sink.push(Bytes::new(), true)
        } else {
            sink.finish_with(trailers(Kind::Trailers, |out| fields.write_to(out)))
        })
    }

    fn poll_send_raw(&mut self, _cx: &mut Context<'_>, _bytes: &[u8]) -> Poll<Result<usize, Error>> {
        Poll::Ready(Err(Error::because(Code::Internal, "bodies on the link are not passed raw")))
    }

    fn poll_flush(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }
}
