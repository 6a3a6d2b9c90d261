//! Listening sockets, one per worker and address, bound before anything is spawned.
//!
//! `SO_REUSEPORT` would let a second instance share the port silently, so a socket without it is bound first and
//! gets the error that a person expects (`data-plane.md` section 3).

use socket2::{Domain, Protocol, SockFilter, SockRef, Socket, Type};
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};

const BACKLOG: i32 = 4096;

/// A listener that could not be opened.
#[derive(Debug)]
pub struct BindError {
    pub address: SocketAddr,
    pub cause: io::Error,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot listen on {}: {}", self.address, self.cause)
    }
}

impl std::error::Error for BindError {}

/// One listening socket per worker. Port 0 becomes a free port, the same for all.
pub fn bind(address: SocketAddr, workers: usize) -> Result<Vec<TcpListener>, BindError> {
    let fail = |cause| BindError { address, cause };
    let probe = socket(address, false).map_err(fail)?;
    let bound = probe.local_addr().ok().and_then(|a| a.as_socket()).unwrap_or(address);
    drop(probe);
    bind_shared(bound, workers)
}

/// The same for an address that this process listens on already and is about to take over from itself.
pub fn bind_shared(address: SocketAddr, workers: usize) -> Result<Vec<TcpListener>, BindError> {
    let sockets = (0..workers).map(|_| socket(address, true).and_then(listen)).collect::<io::Result<_>>();
    sockets.map_err(|cause| BindError { address, cause })
}

/// The kernel begins no more handshakes on `listener` and completes those it has begun. A client whose first packet is
/// dropped here sends it again after a second, and it reaches whoever listens at the address by then.
///
/// # Errors
/// The kernel takes no filter.
pub fn begin_no_more_handshakes(listener: &tokio::net::TcpListener) -> io::Result<()> {
    SockRef::from(listener).attach_filter(&[
        // The flags of the TCP header; of them SYN and ACK.
        SockFilter::new(LOAD_BYTE, 0, 0, 13),
        SockFilter::new(AND, 0, 0, 0x12),
        // SYN alone is dropped, everything else is kept.
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, 0x02),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ])
}

/// Instructions of the kernel's classic packet filter.
const LOAD_BYTE: u16 = 0x30;
const AND: u16 = 0x54;
const JUMP_IF_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;

fn socket(address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

fn listen(socket: Socket) -> io::Result<TcpListener> {
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;
    use std::time::Duration;

    #[tokio::test]
    async fn a_closing_listener_completes_what_has_begun_and_begins_nothing() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let old = bind(any, 1).expect("bind").remove(0);
        let address = old.local_addr().expect("address");
        let old = tokio::net::TcpListener::from_std(old).expect("listener");
        let _accepted = TcpStream::connect(address).expect("in the queue");
        begin_no_more_handshakes(&old).expect("filter");
        let late = std::thread::spawn(move || TcpStream::connect_timeout(&address, Duration::from_secs(20)));
        old.accept().await.expect("what was in the queue");
        let next = bind_shared(address, 1).expect("beside it");
        drop(old);
        late.join().expect("no panic").expect("not refused: its packet came again");
        next[0].accept().expect("at the next one");
    }

    #[test]
    fn workers_share_a_port_and_others_are_told_that_it_is_taken() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listeners = bind(any, 3).expect("bind");
        let address = listeners[0].local_addr().expect("address");
        assert!(listeners.iter().all(|l| l.local_addr().expect("address") == address));
        let error = bind(address, 1).expect_err("taken");
        assert_eq!(error.cause.kind(), io::ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&address.to_string()));
    }
}
