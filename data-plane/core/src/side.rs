//! The two ends of an exchange, as the relay between them sees them.
//!
//! `ingress` implements [`ClientSide`] for HTTP/1 and HTTP/2 clients, `origin` implements [`OriginSide`] for
//! HTTP/1 and HTTP/2 origins; `proxy` relays between any two. Bodies travel as pieces; where both ends frame
//! a body alike in HTTP/1, its checked bytes are passed as they came ("raw"), without copying.

use crate::error::Error;
use crate::head::{Fields, RequestHead, ResponseHead};
use bytes::Bytes;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// Where a body comes from.
pub trait BodySource {
    /// The next piece; `None` at the end, after which [`BodySource::trailers`] is complete.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>>;

    /// Fields after the body; empty when there are none.
    fn trailers(&self) -> &Fields;

    /// HTTP/1: checked bytes of the body in its own framing, at least one, or none at the end of the body.
    fn poll_raw(&mut self, cx: &mut Context<'_>) -> Poll<Result<&[u8], Error>>;

    /// So many bytes of what [`BodySource::poll_raw`] gave are done with.
    fn consume_raw(&mut self, count: usize);

    /// The whole body has been taken.
    fn is_ended(&self) -> bool;
}

/// Where a body goes to.
pub trait BodySink {
    /// Takes all of `piece` or waits; on return `piece` is empty.
    fn poll_send(&mut self, cx: &mut Context<'_>, piece: &mut Bytes) -> Poll<Result<(), Error>>;

    /// Ends the body and flushes; `raw` says that it was passed raw, last chunk and trailers included.
    fn poll_finish(&mut self, cx: &mut Context<'_>, trailers: &Fields, raw: bool) -> Poll<Result<(), Error>>;

    /// HTTP/1: writes framed bytes as they are.
    fn poll_send_raw(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, Error>>;

    /// Pushes out what is buffered.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>>;
}

/// A socket towards an origin that holds its port lease.
pub trait OriginSocket: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Moves the socket to the calling worker's runtime.
    fn rehome(&mut self) -> io::Result<()>;
}

/// What the proxy adds to a request on its way to the origin.
pub struct Outbound<'a> {
    /// `Host` or `:authority`.
    pub host: &'a [u8],
    /// Whole value of `X-Forwarded-For`.
    pub forwarded_for: &'a [u8],
    /// `http` or `https`: how the client came.
    pub forwarded_proto: &'a [u8],
    /// Whole value of `Forwarded`.
    pub forwarded: &'a [u8],
    pub request_id: &'a [u8],
    /// Whole value of `CDN-Loop` (RFC 8586): who has passed the request on, ourselves last.
    pub cdn_loop: &'a [u8],
}

/// How a response body is framed towards the client, and whether raw passing is possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passing {
    pub raw: bool,
}

/// The connection that a request leaves by, and how it was come by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leg {
    pub egress: SocketAddr,
    /// As the access log writes it.
    pub protocol: &'static str,
    pub is_reused: bool,
    pub is_coalesced: bool,
    /// Connections tried so far, this one included.
    pub attempts: u32,
    /// Time spent in the queue.
    pub waited: Duration,
    /// What opening it took, if it was opened for this request.
    pub dial: Option<Duration>,
    pub tls: Option<Duration>,
}

pub trait ClientSide: BodySource + BodySink + Send {
    /// The client speaks HTTP/1.
    const IS_H1: bool;

    /// The request is about to leave by `leg`. Of interest to another server of the fleet, and to no client.
    fn leaves_by(&mut self, _leg: &Leg) {}

    /// Sends a 1xx response; nothing where the client's version knows none.
    fn interim(&mut self, head: &ResponseHead) -> Result<(), Error>;

    /// Begins the final response. `framing` is what the origin's response has; the client's side chooses its own
    /// and says whether bodies may be passed raw.
    fn start_response(&mut self, head: &ResponseHead, request_id: &[u8]) -> Result<Passing, Error>;

    /// Begins the tunnel that follows a WebSocket opening: from now on bodies are the tunnel's bytes.
    fn start_tunnel(&mut self, head: &ResponseHead, request_id: &[u8]) -> Result<(), Error>;

    /// The answer to come is the last on this connection, and says so where the protocol can.
    fn end_after_response(&mut self);

    /// Ready when the client has gone away while its answer was awaited.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<Error>;
}

pub trait OriginSide: BodySource + BodySink + Send {
    const IS_H1: bool;

    /// Begins the request. `websocket_key` is sent for a WebSocket opening.
    fn start_request(
        &mut self,
        head: &RequestHead,
        outbound: &Outbound<'_>,
        websocket_key: Option<&[u8]>,
    ) -> Result<(), Error>;

    /// The next response head, interim ones included.
    fn poll_response(&mut self, cx: &mut Context<'_>, head: &mut ResponseHead) -> Poll<Result<(), Error>>;

    /// Certainly nothing of the request has been processed (never written, or refused by the protocol).
    fn is_untouched(&self) -> bool;

    /// The response was a tunnel's opening: bodies are the tunnel's bytes from now on.
    fn start_tunnel(&mut self);

    /// Bytes sent to and received from the origin so far.
    fn byte_counts(&self) -> (u64, u64);
}
