//! Opens connections: one socket, bound to exactly the leased ip:port, or none.

use crate::port_table::PortLease;
use egressway_core::deadline::now_ms;
use egressway_core::side::OriginSocket;
use egressway_core::{Code, Error};
use egressway_counters::egress::count;
use foldhash::fast::RandomState;
use parking_lot::Mutex;
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

/// Busy ports that one dial passes over before it gives up. They come in rows: those of all connections that the kernel
/// still ends, for a process or an address that was here a moment ago. To find one busy costs microseconds.
const ATTEMPTS: usize = 256;
/// Data that the origin does not acknowledge for so long ends the connection, and with it the port's lease.
const USER_TIMEOUT: Duration = Duration::from_secs(30);
/// An address that could not be bound is left alone for so long while the pool has another.
const UNBINDABLE_MS: u64 = 1_000;

/// A connection towards an origin and the lease of its port. Field order is drop order: close, then give back.
pub struct EgressStream {
    tcp: Option<TcpStream>,
    lease: PortLease,
}

/// Opens sockets and remembers which addresses this host does not have.
#[derive(Default)]
pub struct Dialer {
    foreign_egress: AtomicU64,
    unbindable: Mutex<HashMap<IpAddr, u64, RandomState>>,
    any_unbindable: AtomicBool,
}

enum Attempt {
    /// The port, or the 4-tuple, is held by somebody else.
    PortBusy(io::Error),
    Failed(Error),
}

impl Dialer {
    /// Connects `lease`'s address and port to its origin within `patience`.
    ///
    /// # Errors
    /// What the client is to be told; the lease is given back, after the socket is closed.
    pub async fn dial(&self, lease: PortLease, patience: Duration) -> Result<EgressStream, Error> {
        let origin = lease.key().origin;
        match tokio::time::timeout(patience, self.dial_in_time(lease)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Error::because(Code::OriginConnectTimeout, format_args!("{origin}"))),
        }
    }

    async fn dial_in_time(&self, mut lease: PortLease) -> Result<EgressStream, Error> {
        let mut why = None;
        for _ in 0..ATTEMPTS {
            match self.attempt(&lease).await {
                Ok(tcp) => {
                    count(&lease.counters().opened);
                    return Ok(EgressStream { tcp: Some(tcp), lease });
                }
                Err(Attempt::PortBusy(error)) => why = Some(error),
                Err(Attempt::Failed(error)) => return Err(error),
            }
            if !lease.exchange() {
                break;
            }
        }
        let cause = why.map_or_else(String::new, |error| error.to_string());
        Err(Error::because(Code::EgressPortsBusy, cause))
    }

    async fn attempt(&self, lease: &PortLease) -> Result<TcpStream, Attempt> {
        let (source, origin) = (SocketAddr::new(lease.key().egress_ip, lease.port()), lease.key().origin);
        if source == origin {
            // TCP would connect the socket to itself.
            return Err(Attempt::PortBusy(io::ErrorKind::AddrInUse.into()));
        }
        let socket = open(origin).map_err(|e| Attempt::Failed(Error::because(Code::Internal, e)))?;
        socket.bind(&source.into()).map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => Attempt::PortBusy(error),
            _ => Attempt::Failed(self.cannot_bind(source, &error)),
        })?;
        let tcp = connect(socket, origin).await.map_err(|error| match error.kind() {
            io::ErrorKind::AddrNotAvailable => Attempt::PortBusy(error),
            _ => Attempt::Failed(connect_fault(origin, &error)),
        })?;
        match tcp.local_addr() {
            Ok(local) if local == source => Ok(tcp),
            local => {
                self.foreign_egress.fetch_add(1, Relaxed);
                let cause = format!("chose {source}, got {local:?}");
                Err(Attempt::Failed(Error::because(Code::ForeignEgressPrevented, cause)))
            }
        }
    }

    fn cannot_bind(&self, source: SocketAddr, error: &io::Error) -> Error {
        self.unbindable.lock().insert(source.ip(), now_ms() + UNBINDABLE_MS);
        self.any_unbindable.store(true, Relaxed);
        Error::because(Code::EgressAddressUnbindable, format_args!("{source}: {error}"))
    }

    /// A moment ago this host could not bind `ip`.
    pub fn is_unbindable(&self, ip: IpAddr) -> bool {
        if !self.any_unbindable.load(Relaxed) {
            return false;
        }
        let mut unbindable = self.unbindable.lock();
        let now = now_ms();
        unbindable.retain(|_, until| *until > now);
        self.any_unbindable.store(!unbindable.is_empty(), Relaxed);
        unbindable.contains_key(&ip)
    }

    /// Connections that did not have the chosen address; must stay 0.
    pub fn foreign_egress(&self) -> u64 {
        self.foreign_egress.load(Relaxed)
    }
}

/// Whether this host can use `ip` at all: a dial could bind it, and answers would come back.
///
/// # Errors
/// What the kernel says.
pub fn check_bindable(ip: IpAddr) -> io::Result<()> {
    open(SocketAddr::new(ip, 0))?.bind(&SocketAddr::new(ip, 0).into())?;
    match ip {
        // `bind` accepts any IPv6 address here, see `open`.
        IpAddr::V6(ip) if !is_local(ip)? => Err(io::Error::new(
            io::ErrorKind::AddrNotAvailable,
            "no local route leads to it (ip -6 route add local ... dev lo)",
        )),
        _ => Ok(()),
    }
}

/// A route of the kernel's table that delivers here (`RTF_LOCAL`) covers `ip`.
fn is_local(ip: Ipv6Addr) -> io::Result<bool> {
    const RTF_LOCAL: u32 = 0x8000_0000;
    let table = std::fs::read_to_string("/proc/net/ipv6_route")?;
    // Destination and its prefix length, six fields that do not matter here, flags, device; all in hexadecimal.
    let covers = |line: &str| -> Option<bool> {
        let mut fields = line.split_ascii_whitespace();
        let destination = u128::from_str_radix(fields.next()?, 16).ok()?;
        let length = u32::from_str_radix(fields.next()?, 16).ok()?;
        let flags = u32::from_str_radix(fields.nth(6)?, 16).ok()?;
        let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
        Some(flags & RTF_LOCAL != 0 && ip.to_bits() & mask == destination & mask)
    };
    Ok(table.lines().any(|line| covers(line).unwrap_or(false)))
}

fn open(towards: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(towards), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    // Lets one port be bound once per origin (`kernel.md` section 2).
    socket.set_reuse_address(true)?;
    if towards.is_ipv6() {
        // A prefix that is only routed here can be bound in no other way (`kernel.md` section 5).
        socket.set_freebind_v6(true)?;
    }
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    Ok(socket)
}

async fn connect(socket: Socket, origin: SocketAddr) -> io::Result<TcpStream> {
    match socket.connect(&origin.into()) {
        Ok(()) => return TcpStream::from_std(socket.into()),
        Err(error) if error.raw_os_error() == Some(EINPROGRESS) => {}
        Err(error) => return Err(error),
    }
    // An origin on this host has answered by now: one cheap call saves a trip through the event queue.
    let is_connected = socket.peer_addr().is_ok();
    let tcp = TcpStream::from_std(socket.into())?;
    if is_connected {
        return Ok(tcp);
    }
    tcp.ready(Interest::WRITABLE).await?;
    match tcp.take_error()? {
        None => Ok(tcp),
        Some(error) => Err(error),
    }
}

/// Linux, every architecture that Rust's tier 1 knows.
const EINPROGRESS: i32 = 115;

fn connect_fault(origin: SocketAddr, error: &io::Error) -> Error {
    let code = match error.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => Code::OriginRefused,
        io::ErrorKind::TimedOut => Code::OriginConnectTimeout,
        _ => Code::OriginUnreachable,
    };
    Error::because(code, format_args!("{origin}: {error}"))
}

// === impl EgressStream ===

impl EgressStream {
    pub fn lease(&self) -> &PortLease {
        &self.lease
    }

    fn tcp(self: Pin<&mut Self>) -> io::Result<Pin<&mut TcpStream>> {
        self.get_mut().tcp.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl OriginSocket for EgressStream {
    fn rehome(&mut self) -> io::Result<()> {
        if let Some(tcp) = self.tcp.take() {
            self.tcp = Some(TcpStream::from_std(tcp.into_std()?)?);
        }
        Ok(())
    }
}

impl AsyncRead for EgressStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.lease.cut().check()?;
        let polled = self.as_mut().tcp()?.poll_read(cx, buf);
        if polled.is_pending() {
            self.lease.cut().wake_reader(cx)?;
        }
        polled
    }
}

impl AsyncWrite for EgressStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.lease.cut().check()?;
        let polled = self.as_mut().tcp()?.poll_write(cx, bytes);
        if polled.is_pending() {
            self.lease.cut().wake_writer(cx)?;
        }
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.lease.cut().check()?;
        let polled = self.as_mut().tcp()?.poll_write_vectored(cx, bufs);
        if polled.is_pending() {
            self.lease.cut().wake_writer(cx)?;
        }
        polled
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tcp()?.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tcp()?.poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_address_that_leads_nowhere_cannot_be_used_although_it_can_be_bound() {
        let foreign = IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]);
        open(SocketAddr::new(foreign, 0))
            .expect("socket")
            .bind(&SocketAddr::new(foreign, 0).into())
            .expect("bound");
        let error = check_bindable(foreign).expect_err("no route");
        assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable);
        check_bindable(IpAddr::from(Ipv6Addr::LOCALHOST)).expect("loopback");
    }
}
