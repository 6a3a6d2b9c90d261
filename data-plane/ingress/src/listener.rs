//! Listening sockets, one per worker and address, bound before anything is spawned.
//!
//! `SO_REUSEPORT` would let a second instance share the port silently, so a socket without it is bound first and
//! gets the error that a person expects (`data-plane.md` section 3).

use socket2::{Domain, Protocol, Socket, Type};
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
