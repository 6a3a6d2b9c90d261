//! Two byte streams joined: what comes out of one goes into the other, ends included, until both are through.

use crate::accept::Duplex;
use egressway_core::{Code, Deadline, Error};
use egressway_streams::buffer_pool;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::ReadBuf;

/// Bytes that have arrived where they were going.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Copied {
    /// From the client on.
    pub sent: u64,
    /// To the client.
    pub received: u64,
}

/// One direction.
#[derive(Default)]
struct Half {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    is_read: bool,
    is_over: bool,
    copied: u64,
}

impl Half {
    fn beginning_with(bytes: Vec<u8>) -> Self {
        Half { end: bytes.len(), buffer: bytes, ..Half::default() }
    }

    /// Moves what can be moved. `Ok` when the direction has ended at both streams.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut dyn Duplex,
        to: &mut dyn Duplex,
    ) -> Poll<io::Result<()>> {
        while !self.is_over {
            if self.start < self.end {
                let count = ready!(Pin::new(&mut *to).poll_write(cx, &self.buffer[self.start..self.end]))?;
                if count == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                self.start += count;
                self.copied += count as u64;
                if self.start == self.end {
                    buffer_pool::give(std::mem::take(&mut self.buffer));
                }
            } else if self.is_read {
                ready!(Pin::new(&mut *to).poll_shutdown(cx))?;
                self.is_over = true;
            } else if let Poll::Ready(read) = self.poll_read(cx, from) {
                read?;
            } else {
                // Whoever takes no more says so while there is nothing for it, too.
                ready!(Pin::new(to).poll_flush(cx))?;
                return Poll::Pending;
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, from: &mut dyn Duplex) -> Poll<io::Result<()>> {
        // None is kept for a connection that waits.
        let mut buffer = buffer_pool::take(false);
        let mut into = ReadBuf::new(&mut buffer);
        let read = Pin::new(from).poll_read(cx, &mut into);
        (self.start, self.end) = (0, into.filled().len());
        if self.end == 0 {
            buffer_pool::give(buffer);
        } else {
            self.buffer = buffer;
        }
        ready!(read)?;
        self.is_read = self.end == 0;
        Poll::Ready(Ok(()))
    }
}

/// Joins `client`, of which `begun` has been read already, and `far`. `copied` is right even when it fails.
///
/// # Errors
/// Either side broke (`client_aborted`, `egress_server_lost`), or nothing moved for `idle` (`request_timeout`).
pub async fn splice(
    client: &mut dyn Duplex,
    begun: Vec<u8>,
    far: &mut dyn Duplex,
    deadline: &Deadline,
    idle: Duration,
    copied: &mut Copied,
) -> Result<(), Error> {
    let (mut up, mut down) = (Half::beginning_with(begun), Half::default());
    deadline.set(idle);
    let outcome = poll_fn(|cx| {
        let before = (up.copied, down.copied, up.is_over, down.is_over);
        let sent = up.poll(cx, client, far);
        let received = down.poll(cx, far, client);
        if before != (up.copied, down.copied, up.is_over, down.is_over) {
            deadline.set(idle);
        }
        match (sent, received) {
            // The far side had said all it had to say.
            (Poll::Ready(Err(error)), _) if down.is_over && is_of_link(&error) => Poll::Ready(Ok(())),
            (Poll::Ready(Err(error)), _) => Poll::Ready(Err(fault(&error))),
            (_, Poll::Ready(Err(error))) => Poll::Ready(Err(fault(&error))),
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => Poll::Ready(Ok(())),
            _ => deadline.poll_expired(cx).map(|_| {
                Err(Error::because(Code::RequestTimeout, "nothing moved on a connection that was passed on"))
            }),
        }
    })
    .await;
    *copied = Copied { sent: up.copied, received: down.copied };
    outcome
}

/// The link's streams name their own fault; sockets have none to name.
fn is_of_link(error: &io::Error) -> bool {
    error.get_ref().is_some()
}

fn fault(error: &io::Error) -> Error {
    let code = if is_of_link(error) { Code::EgressServerLost } else { Code::ClientAborted };
    Error::because(code, error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use egressway_core::Deadlines;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    #[tokio::test]
    async fn both_directions_pass_each_ends_for_itself_and_bytes_are_counted() {
        let ((mut client, mut near), (mut far, mut server)) = (duplex(10), duplex(10));
        let deadlines = Deadlines::new();
        let joined = tokio::spawn(async move {
            let mut copied = Copied::default();
            let deadline = deadlines.watch();
            let idle = Duration::from_secs(60);
            let begun = b"begun ".to_vec();
            let outcome = splice(&mut near, begun, &mut far, &deadline, idle, &mut copied).await;
            (outcome.is_ok(), copied)
        });
        client.write_all(b"hello").await.expect("sent");
        client.shutdown().await.expect("ended");
        let mut got = String::new();
        server.read_to_string(&mut got).await.expect("an end");
        assert_eq!(got, "begun hello");
        // The other direction is open still.
        let answer = tokio::spawn(async move {
            server.write_all(&[7; 100_000]).await.expect("sent");
            server.shutdown().await.expect("ended");
        });
        let mut all = Vec::new();
        client.read_to_end(&mut all).await.expect("an end");
        assert_eq!(all, [7; 100_000]);
        answer.await.expect("no panic");
        assert_eq!(joined.await.expect("no panic"), (true, Copied { sent: 11, received: 100_000 }));
    }

    #[tokio::test]
    async fn a_connection_in_which_nothing_moves_is_ended() {
        let ((_client, mut near), (mut far, _server)) = (duplex(10), duplex(10));
        let deadlines = Deadlines::new();
        let deadline = deadlines.watch();
        let ticking = tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_millis(5)).await;
                deadlines.tick();
            }
        });
        let mut copied = Copied::default();
        let idle = Duration::from_millis(20);
        let outcome = splice(&mut near, b"x".to_vec(), &mut far, &deadline, idle, &mut copied).await;
        assert_eq!(outcome.err().map(|error| error.code), Some(Code::RequestTimeout));
        assert_eq!(copied.sent, 1);
        ticking.abort();
    }
}
