//! A socket like those of the egress server, without a lease.

use egressway_core::side::OriginSocket;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Counts the sockets that are alive, as a lease would.
pub struct Socket {
    tcp: TcpStream,
    alive: Arc<AtomicUsize>,
}

impl Socket {
    pub async fn connect(to: SocketAddr, alive: &Arc<AtomicUsize>) -> Socket {
        let tcp = TcpStream::connect(to).await.expect("connect");
        alive.fetch_add(1, SeqCst);
        Socket { tcp, alive: alive.clone() }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, SeqCst);
    }
}

impl OriginSocket for Socket {
    fn rehome(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
