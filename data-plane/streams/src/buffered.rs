//! A byte stream with one read buffer and one write buffer.
//!
//! The read buffer is borrowed from the worker while something unread lies in it, and is a large one while reads
//! fill it: idle connections stay cheap, large bodies need few system calls. What is written goes out in as few
//! writes as possible.

use crate::buffer_pool::{self, LARGE};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Up to here bytes are copied behind buffered ones, so that one write takes both.
const JOIN: usize = 16 * 1024;
/// Above this the write buffer is emptied before more is taken.
const FULL: usize = 64 * 1024;

pub struct BufferedIo<S> {
    stream: S,
    /// Empty, or a borrowed buffer; `start..end` is what has been read and not consumed.
    input: Vec<u8>,
    start: usize,
    end: usize,
    last_read_filled: bool,
    is_eof: bool,
    output: Vec<u8>,
    written: usize,
    pub received: u64,
    pub sent: u64,
}

impl<S: AsyncRead + AsyncWrite + Unpin> BufferedIo<S> {
    pub fn new(stream: S) -> Self {
        BufferedIo {
            stream,
            input: Vec::new(),
            start: 0,
            end: 0,
            last_read_filled: false,
            is_eof: false,
            output: Vec::new(),
            written: 0,
            received: 0,
            sent: 0,
        }
    }

    pub fn stream(&self) -> &S {
        &self.stream
    }

    pub fn stream_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// The stream and what has been read from it but not consumed.
    pub fn into_parts(mut self) -> (S, Vec<u8>) {
        let unread = self.buffered().to_vec();
        self.give_input_back();
        (self.stream, unread)
    }

    pub fn buffered(&self) -> &[u8] {
        &self.input[self.start..self.end]
    }

    /// Puts bytes that were read elsewhere before everything else.
    pub fn prepend(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let input = [bytes, self.buffered()].concat();
        self.give_input_back();
        self.end = input.len();
        self.input = input;
    }

    pub fn consume(&mut self, count: usize) {
        self.start += count;
        debug_assert!(self.start <= self.end);
        if self.start == self.end {
            self.give_input_back();
        }
    }

    fn give_input_back(&mut self) {
        self.start = 0;
        self.end = 0;
        if !self.input.is_empty() {
            buffer_pool::give(std::mem::take(&mut self.input));
        }
    }

    pub fn is_eof(&self) -> bool {
        self.is_eof
    }

    /// Reads once behind what is buffered, growing up to `limit` bytes. `Ok(0)` is the end of the stream.
    pub fn poll_fill(&mut self, cx: &mut Context<'_>, limit: usize) -> Poll<io::Result<usize>> {
        self.make_room(limit);
        if self.end == self.input.len() {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::OutOfMemory, "read buffer full")));
        }
        let mut buf = ReadBuf::new(&mut self.input[self.end..]);
        let outcome = Pin::new(&mut self.stream).poll_read(cx, &mut buf);
        let count = buf.filled().len();
        let is_filled = buf.remaining() == 0;
        if !matches!(outcome, Poll::Ready(Ok(()))) || count == 0 {
            if self.start == self.end {
                self.give_input_back();
            }
            ready!(outcome)?;
        }
        self.last_read_filled = is_filled;
        self.end += count;
        self.received += count as u64;
        self.is_eof |= count == 0;
        Poll::Ready(Ok(count))
    }

    /// [`BufferedIo::poll_fill`] for bodies.
    pub fn poll_fill_body(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.poll_fill(cx, LARGE)
    }

    fn make_room(&mut self, limit: usize) {
        if self.input.is_empty() {
            self.input = buffer_pool::take(self.last_read_filled && limit >= LARGE);
            return;
        }
        if self.end == self.input.len() && self.start > 0 {
            self.input.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.input.len() && self.input.len() < limit {
            self.input.resize((self.input.len() * 4).min(limit), 0);
        }
    }

    /// Gives a large write buffer back; for a connection that begins to wait for its next message.
    pub fn relax(&mut self) {
        if self.output.capacity() > JOIN * 2 && self.output.is_empty() {
            self.output = Vec::new();
        }
        self.last_read_filled = false;
    }

    /// Bytes appended here go out with the next flush.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    pub fn has_output(&self) -> bool {
        !self.output.is_empty()
    }

    /// Ready when there is room for more output.
    pub fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.output.len() - self.written < FULL { Poll::Ready(Ok(())) } else { self.poll_drain(cx) }
    }

    /// Writes `bytes`, behind what is buffered. Returns how many were taken, at least one.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if !self.output.is_empty() {
            if self.output.len() + bytes.len() <= JOIN {
                self.output.extend_from_slice(bytes);
                let _ = self.poll_drain(cx)?;
                return Poll::Ready(Ok(bytes.len()));
            }
            ready!(self.poll_drain(cx))?;
        }
        let count = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes))?;
        self.sent += count as u64;
        if count == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        Poll::Ready(Ok(count))
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.output.len() {
            let count = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.output[self.written..]))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += count;
            self.sent += count as u64;
        }
        self.output.clear();
        self.written = 0;
        Poll::Ready(Ok(()))
    }

    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Reads what is buffered first; writes go straight through. For handing a connection on to HTTP/2.
impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for BufferedIo<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.start < self.end {
            let count = buf.remaining().min(self.end - self.start);
            buf.put_slice(&self.input[self.start..self.start + count]);
            self.consume(count);
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for BufferedIo<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
