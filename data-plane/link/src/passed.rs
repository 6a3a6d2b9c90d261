//! A client's connection that one server passes on to another, as it came: a byte stream over a stream of the link.
//!
//! Ahead of the bytes goes a record that says whose connection it is, as a PROXY protocol header of version 2, and
//! back comes one that says that it is served. Both directions end each for itself.

use crate::links::Seat;
use crate::record::{Kind, write_record};
use crate::source::{Broken, LinkSource};
use bytes::{Buf, Bytes};
use egressway_core::record::{Reader, write_text};
use egressway_core::{Code, Error};
use h2::server::SendResponse;
use h2::{Reason, SendStream};
use http::{Method, Request};
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Bytes that one write may hand to the connection.
const PIECE: usize = 64 * 1024;

/// Whose connection is passed on, and by whom.
#[derive(Debug, Clone, Copy)]
pub struct Opening<'a> {
    pub client: SocketAddr,
    pub local: Option<SocketAddr>,
    /// Its bytes are TLS, which the far server terminates.
    pub is_tls: bool,
    /// The server that the client came to.
    pub server: &'a str,
}

/// The same at the far server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// A whole PROXY protocol header.
    pub header: Box<[u8]>,
    pub is_tls: bool,
    pub server: Box<str>,
}

impl Opening<'_> {
    fn write_to(&self, out: &mut Vec<u8>) {
        write_text(out, self.server.as_bytes());
        out.push(u8::from(self.is_tls));
        write_text(out, &self.header());
    }

    /// PROXY protocol, version 2; an unknown destination is the unspecified address.
    fn header(&self) -> Vec<u8> {
        let source = self.client;
        let destination = self.local.filter(|local| local.is_ipv4() == source.is_ipv4());
        let mut header = SIGNATURE.to_vec();
        match (source.ip(), destination.map(|local| local.ip())) {
            (IpAddr::V4(from), to) => {
                header.extend_from_slice(&[0x21, 0x11, 0, 12]);
                header.extend_from_slice(&from.octets());
                header.extend_from_slice(&match to {
                    Some(IpAddr::V4(to)) => to.octets(),
                    _ => [0; 4],
                });
            }
            (IpAddr::V6(from), to) => {
                header.extend_from_slice(&[0x21, 0x21, 0, 36]);
                header.extend_from_slice(&from.octets());
                header.extend_from_slice(&match to {
                    Some(IpAddr::V6(to)) => to.octets(),
                    _ => [0; 16],
                });
            }
        }
        header.extend_from_slice(&source.port().to_be_bytes());
        header.extend_from_slice(&destination.map_or(0, |local| local.port()).to_be_bytes());
        header
    }
}

pub(crate) fn read_opened(content: &[u8]) -> Option<Opened> {
    let from = &mut Reader::new(content);
    let server = std::str::from_utf8(from.text()?).ok()?.into();
    Some(Opened { server, is_tls: from.flag()?, header: from.text()?.into() })
}

/// A connection on the link.
pub struct PassedStream {
    source: LinkSource,
    sink: SendStream<Bytes>,
    /// Read and not yet given on.
    piece: Bytes,
    is_ended: bool,
    /// Its place on the link, where this side has opened it.
    seat: Option<Seat>,
}

/// Opens a stream on `seat` for a connection; returns when the far server has taken it.
///
/// # Errors
/// `egress_server_lost`: the link broke, or the far server does not take it. Nothing of the connection was sent.
pub async fn pass(mut seat: Seat, opening: &Opening<'_>) -> Result<PassedStream, Error> {
    let lost = |cause: &dyn std::fmt::Display| Error::because(Code::EgressServerLost, cause);
    let mut request = Request::new(());
    *request.method_mut() = Method::POST;
    *request.uri_mut() = seat.uri.clone();
    *request.version_mut() = http::Version::HTTP_2;
    let begun = seat.send.send_request(request, false);
    let (response, sink) = begun.map_err(|error| {
        seat.retire();
        lost(&error)
    })?;
    let mut opened = Unfinished(Some(sink));
    let mut record = Vec::with_capacity(128);
    write_record(&mut record, Kind::Passed, |out| opening.write_to(out));
    opened.send(record.into()).map_err(|error| lost(&error))?;
    let response = response.await.map_err(|error| lost(&error))?;
    let mut source = LinkSource::new(response.into_body());
    match poll_fn(|cx| source.poll_record(cx)).await {
        Ok((Kind::Ready, _)) => {}
        Ok(_) => return Err(lost(&"it does not take the connection")),
        Err(broken) => return Err(lost(&broken)),
    }
    let Some(sink) = opened.0.take() else { return Err(lost(&"it is gone")) };
    Ok(PassedStream { source, sink, piece: Bytes::new(), is_ended: false, seat: Some(seat) })
}

/// Resets a stream that does not come to carry a connection.
struct Unfinished(Option<SendStream<Bytes>>);

impl Unfinished {
    fn send(&mut self, record: Bytes) -> Result<(), h2::Error> {
        self.0.as_mut().map_or(Ok(()), |sink| sink.send_data(record, false))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(sink) = &mut self.0 {
            sink.send_reset(Reason::CANCEL);
        }
    }
}

/// The far server takes the connection that `source` brings.
pub(crate) fn take(source: LinkSource, respond: &mut SendResponse<Bytes>) -> Result<PassedStream, h2::Error> {
    let mut sink = respond.send_response(http::Response::new(()), false)?;
    let mut record = Vec::new();
    write_record(&mut record, Kind::Ready, |_| {});
    sink.send_data(record.into(), false)?;
    Ok(PassedStream { source, sink, piece: Bytes::new(), is_ended: false, seat: None })
}

fn broken(error: &Broken) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, error.to_string())
}

impl AsyncRead for PassedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.piece.is_empty() {
            match ready!(self.source.poll_piece(cx)) {
                Ok(Some(piece)) => self.piece = piece,
                Ok(None) => return Poll::Ready(Ok(())),
                Err(error) => return Poll::Ready(Err(broken(&error))),
            }
        }
        let count = buf.remaining().min(self.piece.len());
        buf.put_slice(&self.piece[..count]);
        self.piece.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for PassedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let ended = || io::Error::new(io::ErrorKind::BrokenPipe, "the stream has ended");
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.sink.reserve_capacity(bytes.len().min(PIECE));
        let mut room = self.sink.capacity();
        while room == 0 {
            room = match ready!(self.sink.poll_capacity(cx)) {
                Some(room) => room.map_err(io::Error::other)?,
                None => return Poll::Ready(Err(ended())),
            };
        }
        let count = room.min(bytes.len());
        self.sink.send_data(Bytes::copy_from_slice(&bytes[..count]), false).map_err(io::Error::other)?;
        Poll::Ready(Ok(count))
    }

    /// What was written is on its way; tells when the far side takes no more.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.sink.poll_reset(cx) {
            Poll::Ready(Ok(reason)) => Poll::Ready(Err(io::Error::other(reason.to_string()))),
            Poll::Ready(Err(error)) => Poll::Ready(Err(io::Error::other(error))),
            Poll::Pending => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !std::mem::replace(&mut self.is_ended, true) {
            self.sink.send_data(Bytes::new(), true).map_err(io::Error::other)?;
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for PassedStream {
    fn drop(&mut self) {
        match self.seat {
            // Like a socket that is closed: what was written arrives, and nothing is taken any more.
            None if !self.is_ended => drop(self.sink.send_data(Bytes::new(), true)),
            Some(_) if !self.is_ended || !self.source.is_ended() => self.sink.send_reset(Reason::CANCEL),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opening_arrives_with_both_addresses() {
        let opening = Opening {
            client: "192.0.2.7:1234".parse().expect("address"),
            local: "198.51.100.1:443".parse().ok(),
            is_tls: true,
            server: "ams-1",
        };
        let mut content = Vec::new();
        opening.write_to(&mut content);
        let opened = read_opened(&content).expect("an opening");
        assert_eq!((&*opened.server, opened.is_tls), ("ams-1", true));
        let expected =
            [&SIGNATURE[..], b"\x21\x11\x00\x0c\xc0\x00\x02\x07\xc6\x33\x64\x01\x04\xd2\x01\xbb"].concat();
        assert_eq!(*opened.header, *expected);
        for end in 0..content.len() {
            assert_eq!(read_opened(&content[..end]), None);
        }
        let other = Opening { client: "[2001:db8::7]:1234".parse().expect("address"), ..opening };
        assert_eq!(other.header().len(), 16 + 36);
        assert_eq!(
            other.header()[16 + 32..],
            *b"\x04\xd2\x00\x00",
            "a destination of the other family is none"
        );
    }
}
