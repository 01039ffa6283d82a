//! Lanes: turns work from the queue into messages on one connection, and what comes back into answers.

use crate::connection::Connection;
use crate::message::bounds;
use crate::queue::{Answer, Kind, Request, Work};
use crate::reader::Shared;
use crate::replicas::PRIMARY;
use crate::{DriverError, Rows};
use bytes::{Buf as _, BytesMut};
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Quick statements that take longer than this do not hold others up.
const PATIENCE: Duration = Duration::from_millis(10);
/// Between two requests to cancel a statement that nobody waits for.
const AGAIN: Duration = Duration::from_millis(100);
/// How often a statement is sent, when it is not its own fault that it failed.
const ATTEMPTS: u8 = 3;

/// Take work until the queue is closed.
pub(crate) async fn run(shared: Arc<Shared>, number: usize) {
    let mut lane = Lane { shared: &shared, number, connection: None, out: BytesMut::new() };
    while let Some(mut work) = shared.queue.take(number).await {
        lane.serve(&mut work).await;
        shared.queue.done(work.kind);
    }
}

struct Lane<'s> {
    shared: &'s Shared,
    number: usize,
    /// The session, and which target it is to.
    connection: Option<(usize, Connection)>,
    out: BytesMut,
}

impl Lane<'_> {
    /// Answer all requests of `work`.
    async fn serve(&mut self, work: &mut Work) {
        while let Some(first) = work.requests.front() {
            let wanted = if first.primary { PRIMARY } else { self.shared.replicas.choose(self.number) };
            if let Err(error) = self.connect(wanted).await {
                self.fail(&mut work.requests, &error);
                return;
            }
            let Some((target, mut connection)) = self.connection.take() else { return };
            match self.exchange(&mut connection, work).await {
                Ok(()) => self.connection = Some((target, connection)),
                Err(error) => {
                    // the connection is in no known state: it is dropped, and what was not answered is sent again
                    tracing::debug!(%error, "a connection to the database broke");
                    self.shared.replicas.failed(target);
                    give_up(&mut work.requests, &error);
                }
            }
        }
    }

    /// Have a connection to the target `wanted`, or to the primary where that cannot be reached.
    async fn connect(&mut self, wanted: usize) -> Result<(), DriverError> {
        if self.connection.as_ref().is_some_and(|(target, _)| *target == wanted) {
            return Ok(());
        }
        self.connection = None;
        let opened = Connection::open(self.shared.replicas.target(wanted)).await;
        match opened {
            Ok(connection) => self.connection = Some((wanted, connection)),
            Err(error) if wanted != PRIMARY => {
                tracing::warn!(%error, "a replica cannot be reached; reading from the primary");
                self.shared.replicas.failed(wanted);
                let connection = Connection::open(self.shared.replicas.target(PRIMARY)).await?;
                self.connection = Some((PRIMARY, connection));
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Nobody can be answered.
    fn fail(&self, requests: &mut VecDeque<Request>, error: &DriverError) {
        for request in requests.drain(..) {
            let _ = request.reply.send(Err(match error {
                DriverError::Refused(why) => DriverError::Refused(why.clone()),
                other => DriverError::Connection(io::Error::other(other.to_string())),
            }));
        }
    }

    /// Send all requests and answer those that the server answers. What is left over is to be sent again.
    async fn exchange(&mut self, connection: &mut Connection, work: &mut Work) -> Result<(), DriverError> {
        let mut parsed = VecDeque::new();
        for request in &work.requests {
            if connection.prepare(request.id, &request.text, &mut self.out)? {
                parsed.push_back(request.id);
                connection.prepared(request.id);
            }
            self.out.extend_from_slice(&request.message);
        }
        frontend::sync(&mut self.out);
        let sent = Instant::now();
        let written = connection.write(&self.out).await;
        self.out.clear();
        written?;
        Replies { lane: self, connection, sent, count: work.requests.len().max(1), parsed }.read(work).await
    }
}

/// One more attempt was in vain; those that had enough of them fail.
fn give_up(requests: &mut VecDeque<Request>, error: &DriverError) {
    let kept = requests.drain(..).filter_map(|mut request| {
        request.attempts += 1;
        if request.reply.is_closed() {
            return None;
        }
        if request.attempts < ATTEMPTS {
            return Some(request);
        }
        let _ = request.reply.send(Err(DriverError::Connection(io::Error::other(error.to_string()))));
        None
    });
    let kept: VecDeque<Request> = kept.collect();
    *requests = kept;
}

/// Reading the answers of one exchange.
struct Replies<'l, 's> {
    lane: &'l mut Lane<'s>,
    connection: &'l mut Connection,
    sent: Instant,
    count: usize,
    /// Statements whose `Parse` was sent and not confirmed.
    parsed: VecDeque<u64>,
}

impl Replies<'_, '_> {
    async fn read(mut self, work: &mut Work) -> Result<(), DriverError> {
        let mut at = 0;
        loop {
            while let Some((tag, end)) = bounds(&self.connection.received, at)? {
                at = end;
                match tag {
                    b'1' => drop(self.parsed.pop_front()),
                    // a statement is through: its rows are what was received since the one before
                    b'C' | b'I' | b's' => {
                        let bytes = self.connection.received.split_to(end).freeze();
                        at = 0;
                        let Some(request) = work.requests.pop_front() else { return Err(unexpected("an answer")) };
                        let took = self.sent.elapsed() / u32::try_from(self.count).unwrap_or(1);
                        let _ = request.reply.send(Ok(Answer { rows: Rows::new(bytes), took }));
                    }
                    b'E' => {
                        self.error(end, work)?;
                        at = 0;
                    }
                    b'Z' => {
                        self.connection.received.advance(end);
                        return Ok(());
                    }
                    b'D' | b'2' | b'3' | b'n' | b'N' | b'S' | b'A' => {}
                    _ => return Err(unexpected("a message")),
                }
            }
            let largest = self.lane.shared.options.largest_answer;
            if self.connection.received.len() > largest {
                self.connection.canceller().cancel().await;
                if let Some(request) = work.requests.pop_front() {
                    let _ = request.reply.send(Err(DriverError::TooLarge(largest)));
                }
                return Err(unexpected("too large an answer"));
            }
            self.more(work).await?;
        }
    }

    /// The error of the first request, whose message ends at `end`. The server passes over the others; they stay.
    fn error(&mut self, end: usize, work: &mut Work) -> Result<(), DriverError> {
        let mut part = self.connection.received.split_to(end);
        let mut error = None;
        while let Some(message) = Message::parse(&mut part)? {
            if let Message::ErrorResponse(body) = message {
                error = Some(DriverError::of(&body));
            }
        }
        let error = error.ok_or_else(|| unexpected("an error"))?;
        // statements after this one were not prepared
        for id in std::mem::take(&mut self.parsed) {
            self.connection.forget(id, &mut self.lane.out)?;
        }
        if error.is_shutdown() {
            return Err(error);
        }
        let Some(request) = work.requests.front_mut() else { return Err(error) };
        if error.is_stale() && request.attempts == 0 {
            request.attempts += 1;
            self.connection.forget(request.id, &mut self.lane.out)?;
            return Ok(());
        }
        if let Some(request) = work.requests.pop_front() {
            let _ = request.reply.send(Err(error));
        }
        Ok(())
    }

    /// Wait for more bytes. Meanwhile a slow statement that nobody waits for is cancelled, and quick ones may turn out
    /// to be slow.
    async fn more(&mut self, work: &mut Work) -> Result<(), DriverError> {
        if work.kind == Kind::Quick {
            match timeout(PATIENCE, self.connection.read()).await {
                Ok(read) => return Ok(read?),
                Err(_) => {
                    self.lane.shared.queue.slowed_down();
                    work.kind = Kind::Slow;
                }
            }
        }
        let alone = work.requests.len() == 1;
        let limit = self.lane.shared.options.silence;
        let Some(request) = work.requests.front_mut().filter(|_| alone) else {
            return silence(limit, self.connection.read()).await;
        };
        let canceller = self.connection.canceller();
        let left = limit.saturating_sub(self.sent.elapsed());
        if left.is_zero() && request.reply.is_closed() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the server does not cancel a statement").into());
        }
        tokio::select! {
            read = silence(limit, self.connection.read()) => read,
            () = nobody_waits(&mut request.reply) => {
                canceller.cancel().await;
                Ok(())
            }
        }
    }
}

/// Returns when nobody waits for the answer, and then every now and again: a cancel request that comes before the server
/// has begun with the statement is lost.
async fn nobody_waits<T>(reply: &mut oneshot::Sender<T>) {
    if reply.is_closed() {
        tokio::time::sleep(AGAIN).await;
    } else {
        reply.closed().await;
    }
}

/// A server that says nothing for longer than its own time limit is gone.
async fn silence(limit: Duration, read: impl Future<Output = io::Result<()>>) -> Result<(), DriverError> {
    match timeout(limit, read).await {
        Ok(read) => Ok(read?),
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the server says nothing any more").into()),
    }
}

fn unexpected(what: &str) -> DriverError {
    DriverError::Connection(io::Error::new(io::ErrorKind::InvalidData, format!("{what} that nobody expected")))
}
