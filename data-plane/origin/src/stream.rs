//! Plain or TLS, one type.

use egressway_core::side::OriginSocket;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::client::TlsStream;

pub enum OriginStream<S> {
    Plain(S),
    Tls(Box<TlsStream<S>>),
}

impl<S: OriginSocket> OriginStream<S> {
    pub fn socket(&self) -> &S {
        match self {
            OriginStream::Plain(socket) => socket,
            OriginStream::Tls(stream) => stream.get_ref().0,
        }
    }

    /// Moves the connection to the calling worker.
    pub fn rehome(&mut self) -> io::Result<()> {
        match self {
            OriginStream::Plain(socket) => socket.rehome(),
            OriginStream::Tls(stream) => stream.get_mut().0.rehome(),
        }
    }

    /// Nothing has come in on a connection that should be idle. No system call unless the runtime has seen an
    /// event on the socket.
    pub fn is_quiet(&mut self) -> bool {
        let mut byte = [0u8; 1];
        let mut buf = ReadBuf::new(&mut byte);
        let mut stream = Pin::new(self);
        // Outside of the task's budget: once that is used up, every socket would seem to be quiet.
        let look = pin!(tokio::task::unconstrained(poll_fn(|cx| stream.as_mut().poll_read(cx, &mut buf))));
        look.poll(&mut Context::from_waker(Waker::noop())).is_pending()
    }
}

impl<S: OriginSocket> AsyncRead for OriginStream<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            OriginStream::Plain(socket) => Pin::new(socket).poll_read(cx, buf),
            OriginStream::Tls(stream) => Pin::new(stream.as_mut()).poll_read(cx, buf),
        }
    }
}

impl<S: OriginSocket> AsyncWrite for OriginStream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            OriginStream::Plain(socket) => Pin::new(socket).poll_write(cx, bytes),
            OriginStream::Tls(stream) => Pin::new(stream.as_mut()).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            OriginStream::Plain(socket) => Pin::new(socket).poll_flush(cx),
            OriginStream::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            OriginStream::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            OriginStream::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
        }
    }
}
