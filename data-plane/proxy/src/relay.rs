//! One request to an origin and its answer back, both directions at once, in one future.
//!
//! Every wait is bounded by the exchange's deadline, which moves on with each piece; which side was waited for
//! decides the error. Nothing is buffered beyond one piece per direction.

use bytes::Bytes;
use egressway_core::side::{ClientSide, OriginSide};
use egressway_core::{Code, Deadline, Error, Framing, RequestHead, ResponseHead};
use egressway_http1::is_upgrade_accepted;
use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// Interim answers to one request, at most.
const MOST_INTERIMS: u32 = 64;

/// Deadlines of an exchange.
#[derive(Debug, Clone, Copy)]
pub struct Waits {
    pub first_byte: Duration,
    pub body: Duration,
    pub tunnel_idle: Duration,
}

/// What became of an exchange, good or bad.
#[derive(Debug, Default)]
pub struct Report {
    pub error: Option<Error>,
    /// The response has begun towards the client: no other answer can follow.
    pub is_answered: bool,
    /// The origin has begun to answer.
    pub is_heard: bool,
    /// Something of the request's body is gone from where it could be sent again.
    pub is_body_touched: bool,
    /// The origin answered 421 on a connection it shares with another hostname; nothing was passed on.
    pub is_misdirected: bool,
    pub first_byte_at: Option<Instant>,
    /// What was read of the body and not taken by the origin's side.
    pub unsent: Bytes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Upload: head and body are on their way. Download: the head is awaited.
    Begun,
    Body,
    Finishing,
    Done,
}

/// Who is to blame when nothing moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    Client,
    Origin,
}

struct Relay<'a, C, O> {
    client: &'a mut C,
    origin: &'a mut O,
    request: &'a RequestHead,
    response: &'a mut ResponseHead,
    request_id: &'a [u8],
    deadline: &'a Deadline,
    waits: Waits,
    report: Report,
    upload: Phase,
    upload_raw: bool,
    upload_waits: Waiting,
    upload_error: Option<Error>,
    upload_piece: Bytes,
    download: Phase,
    download_raw: bool,
    download_waits: Waiting,
    download_piece: Bytes,
    is_tunnel: bool,
    is_coalesced: bool,
    websocket_key: Option<&'a [u8]>,
    has_moved: bool,
    interims: u32,
}

/// Everything an exchange needs beside its two sides.
pub struct Terms<'a> {
    pub request: &'a RequestHead,
    pub request_id: &'a [u8],
    pub deadline: &'a Deadline,
    pub waits: Waits,
    /// The connection belongs to another hostname too: a 421 is ours to handle.
    pub is_coalesced: bool,
    /// The key of the WebSocket opening that was sent, which its answer must prove to have read.
    pub websocket_key: Option<&'a [u8]>,
    /// What was read of the body before; it goes first.
    pub kept: Bytes,
}

/// Relays one exchange; the request has been started on `origin`. `response` ends up with the final head.
pub async fn relay<C: ClientSide, O: OriginSide>(
    client: &mut C,
    origin: &mut O,
    response: &mut ResponseHead,
    terms: Terms<'_>,
) -> Report {
    let is_bodiless = terms.request.framing == Framing::None || terms.request.is_websocket;
    let mut relay = Relay {
        client,
        origin,
        request: terms.request,
        response,
        request_id: terms.request_id,
        deadline: terms.deadline,
        waits: terms.waits,
        report: Report { is_body_touched: !terms.kept.is_empty(), ..Report::default() },
        upload: if is_bodiless { Phase::Finishing } else { Phase::Body },
        // Pieces have no framing of their own.
        upload_raw: C::IS_H1 && O::IS_H1 && terms.kept.is_empty(),
        upload_waits: Waiting::Client,
        upload_error: None,
        upload_piece: terms.kept,
        download: Phase::Begun,
        download_raw: false,
        download_waits: Waiting::Origin,
        download_piece: Bytes::new(),
        is_tunnel: false,
        is_coalesced: terms.is_coalesced,
        websocket_key: terms.websocket_key,
        has_moved: true,
        interims: 0,
    };
    // What was waited for before, a client or a connection, has come: its deadline says nothing of this exchange.
    relay.deadline.set(relay.patience());
    let end = poll_fn(|cx| relay.poll(cx)).await;
    relay.report.error = end.err();
    relay.report.unsent = relay.upload_piece;
    relay.report
}

/// The side of the origin takes no more; it may have answered all the same.
const fn is_far_end_lost(code: Code) -> bool {
    matches!(code, Code::OriginClosed | Code::EgressServerLost)
}

impl<C: ClientSide, O: OriginSide> Relay<'_, C, O> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.deadline.poll_expired(cx).is_ready() {
            return Poll::Ready(Err(self.stalled()));
        }
        loop {
            self.poll_upload_step(cx)?;
            if let Poll::Ready(end) = self.poll_download_step(cx) {
                return Poll::Ready(end);
            }
            if !std::mem::take(&mut self.has_moved) {
                break;
            }
            self.deadline.set(self.patience());
        }
        if self.may_listen_for_goodbye()
            && let Poll::Ready(gone) = self.client.poll_gone(cx)
        {
            return Poll::Ready(Err(gone));
        }
        Poll::Pending
    }

    /// Reading the client for its end is possible while nobody reads its body.
    fn may_listen_for_goodbye(&self) -> bool {
        !C::IS_H1 || (self.upload == Phase::Done && !self.is_tunnel && self.client.is_ended())
    }

    fn patience(&self) -> Duration {
        if self.is_tunnel {
            let is_half_closed = self.upload == Phase::Done || self.download == Phase::Done;
            return if is_half_closed { self.waits.body } else { self.waits.tunnel_idle };
        }
        if self.download == Phase::Begun && self.upload == Phase::Done {
            self.waits.first_byte
        } else {
            self.waits.body
        }
    }

    fn stalled(&self) -> Error {
        let is_uploading = self.upload != Phase::Done && !self.is_tunnel;
        let waiting = if is_uploading { self.upload_waits } else { self.download_waits };
        match waiting {
            Waiting::Origin => Error::because(Code::OriginTimeout, "nothing moved in time"),
            // It may wait for the word to go on, which the origin owes it.
            Waiting::Client
                if is_uploading && self.request.expects_continue && !self.report.is_body_touched =>
            {
                Error::because(Code::OriginTimeout, "no answer to `Expect: 100-continue`")
            }
            Waiting::Client if is_uploading => {
                Error::because(Code::RequestTimeout, "the request body stalled")
            }
            Waiting::Client => Error::because(Code::ClientAborted, "the client takes nothing"),
        }
    }

    /// Moves the upload as far as it goes. An origin that stops reading may still answer, so its fault is kept
    /// until the answer fails too.
    fn poll_upload_step(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        if self.upload == Phase::Done {
            return Ok(());
        }
        match self.poll_upload(cx) {
            Poll::Pending => Ok(()),
            Poll::Ready(Ok(())) => {
                self.upload = Phase::Done;
                self.has_moved = true;
                Ok(())
            }
            Poll::Ready(Err(error)) if is_far_end_lost(error.code) && !self.is_tunnel => {
                self.upload = Phase::Done;
                self.upload_error = Some(error);
                Ok(())
            }
            Poll::Ready(Err(error)) => Err(error),
        }
    }

    fn poll_upload(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        while self.upload == Phase::Body {
            let step = if self.upload_raw { self.poll_upload_raw(cx) } else { self.poll_upload_piece(cx) };
            match step {
                Poll::Ready(Ok(true)) => self.has_moved = true,
                Poll::Ready(Ok(false)) => self.upload = Phase::Finishing,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        self.upload_waits = Waiting::Origin;
        self.origin.poll_finish(cx, self.client.trailers(), self.upload_raw)
    }

    /// `true`: something moved; `false`: the body has ended.
    fn poll_upload_raw(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Error>> {
        let bytes = match self.client.poll_raw(cx)? {
            Poll::Ready(bytes) => bytes,
            Poll::Pending => {
                self.upload_waits = Waiting::Client;
                let _ = self.origin.poll_flush(cx)?;
                return Poll::Pending;
            }
        };
        if bytes.is_empty() {
            return Poll::Ready(Ok(false));
        }
        self.report.is_body_touched = true;
        self.upload_waits = Waiting::Origin;
        let count = std::task::ready!(self.origin.poll_send_raw(cx, bytes))?;
        self.client.consume_raw(count);
        Poll::Ready(Ok(true))
    }

    fn poll_upload_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Error>> {
        if self.upload_piece.is_empty() {
            match self.client.poll_piece(cx)? {
                Poll::Ready(Some(piece)) => {
                    self.report.is_body_touched = true;
                    self.upload_piece = piece;
                }
                Poll::Ready(None) => return Poll::Ready(Ok(false)),
                Poll::Pending => {
                    self.upload_waits = Waiting::Client;
                    let _ = self.origin.poll_flush(cx)?;
                    return Poll::Pending;
                }
            }
        }
        self.upload_waits = Waiting::Origin;
        let before = self.upload_piece.len();
        let sent = self.origin.poll_send(cx, &mut self.upload_piece);
        self.has_moved |= self.upload_piece.len() < before;
        std::task::ready!(sent)?;
        Poll::Ready(Ok(true))
    }

    fn poll_download_step(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let before = self.download;
        let step = self.poll_download(cx);
        self.has_moved |= self.download != before;
        match step {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.blame(error))),
            Poll::Ready(Ok(())) => {
                self.has_moved |= self.download != Phase::Done;
                self.download = Phase::Done;
                // A tunnel ends when both directions have; any other exchange with its response.
                if self.is_tunnel && self.upload != Phase::Done { Poll::Pending } else { Poll::Ready(Ok(())) }
            }
        }
    }

    /// An origin that closed under the upload is the first cause.
    fn blame(&mut self, error: Error) -> Error {
        match self.upload_error.take() {
            Some(first) if error.code == Code::OriginClosed => first,
            _ => error,
        }
    }

    fn poll_download(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        loop {
            match self.download {
                Phase::Begun => std::task::ready!(self.poll_head(cx))?,
                Phase::Body => {
                    let step = if self.download_raw {
                        self.poll_download_raw(cx)
                    } else {
                        self.poll_download_piece(cx)
                    };
                    if !std::task::ready!(step)? {
                        self.download = Phase::Finishing;
                    } else {
                        self.has_moved = true;
                    }
                }
                Phase::Finishing => {
                    self.download_waits = Waiting::Client;
                    return self.client.poll_finish(cx, self.origin.trailers(), self.download_raw);
                }
                Phase::Done => return Poll::Ready(Ok(())),
            }
        }
    }

    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        // What came before the head is taken first: an origin that talks on does not fill our memory.
        self.download_waits = Waiting::Client;
        std::task::ready!(self.client.poll_flush(cx))?;
        self.download_waits = Waiting::Origin;
        let heard = std::task::ready!(self.origin.poll_response(cx, self.response));
        // A part of a head is an answer that has begun.
        self.report.is_heard |= heard.is_ok() || self.origin.byte_counts().1 > 0;
        heard?;
        self.report.first_byte_at.get_or_insert_with(Instant::now);
        if self.response.is_interim() {
            return Poll::Ready(self.pass_interim());
        }
        if self.response.status == 421 && self.is_coalesced && !self.report.is_body_touched {
            self.report.is_misdirected = true;
            return Poll::Ready(Err(Error::new(Code::Misdirected)));
        }
        if self.response.status == 101 {
            self.begin_tunnel()?;
        } else {
            self.report.is_answered = true;
            let passing = self.client.start_response(self.response, self.request_id)?;
            self.download_raw = C::IS_H1 && O::IS_H1 && passing.raw;
        }
        let has_body = self.is_tunnel || self.response.framing != Framing::None;
        self.download = if has_body { Phase::Body } else { Phase::Finishing };
        Poll::Ready(Ok(()))
    }

    /// Interim answers are no progress: they do not move the deadline, and there is an end to them.
    fn pass_interim(&mut self) -> Result<(), Error> {
        self.interims += 1;
        if self.interims > MOST_INTERIMS {
            return Err(Error::because(Code::OriginProtocol, "interim answers without end"));
        }
        if self.response.status != 100 || self.request.expects_continue {
            self.client.interim(self.response)?;
        }
        Ok(())
    }

    fn begin_tunnel(&mut self) -> Result<(), Error> {
        if !self.websocket_key.is_some_and(|key| is_upgrade_accepted(self.response, key)) {
            return Err(Error::because(Code::OriginUpgradeRefused, "not the answer to our opening"));
        }
        self.report.is_answered = true;
        self.client.start_tunnel(self.response, self.request_id)?;
        self.origin.start_tunnel();
        self.is_tunnel = true;
        self.download_raw = C::IS_H1 && O::IS_H1;
        self.upload = Phase::Body;
        Ok(())
    }

    fn poll_download_raw(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Error>> {
        let bytes = match self.origin.poll_raw(cx)? {
            Poll::Ready(bytes) => bytes,
            Poll::Pending => {
                self.download_waits = Waiting::Origin;
                let _ = self.client.poll_flush(cx)?;
                return Poll::Pending;
            }
        };
        if bytes.is_empty() {
            return Poll::Ready(Ok(false));
        }
        self.download_waits = Waiting::Client;
        let count = std::task::ready!(self.client.poll_send_raw(cx, bytes))?;
        self.origin.consume_raw(count);
        Poll::Ready(Ok(true))
    }

    fn poll_download_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Error>> {
        if self.download_piece.is_empty() {
            match self.origin.poll_piece(cx)? {
                Poll::Ready(Some(piece)) => self.download_piece = piece,
                Poll::Ready(None) => return Poll::Ready(Ok(false)),
                Poll::Pending => {
                    self.download_waits = Waiting::Origin;
                    let _ = self.client.poll_flush(cx)?;
                    return Poll::Pending;
                }
            }
        }
        self.download_waits = Waiting::Client;
        let before = self.download_piece.len();
        let sent = self.client.poll_send(cx, &mut self.download_piece);
        self.has_moved |= self.download_piece.len() < before;
        std::task::ready!(sent)?;
        Poll::Ready(Ok(true))
    }
}
