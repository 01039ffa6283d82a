//! The queue: turns statements that want to run into work for the lanes.
//!
//! Quick statements and slow ones wait apart. Only a few lanes take quick ones, each all that wait; the others take one
//! slow statement each. A lane whose quick statements turn out to take long counts as a slow one from then on, and
//! another lane goes on with the quick ones.

use crate::{DriverError, Rows};
use bytes::BytesMut;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};

/// Statements that travel together.
const BATCH: usize = 64;
/// Bytes that travel together: less than what a socket takes without the other side reading.
const BATCH_BYTES: usize = 32 * 1024;

/// A statement that wants to run.
pub(crate) struct Request {
    pub(crate) id: u64,
    pub(crate) text: Arc<str>,
    /// `Bind` and `Execute`.
    pub(crate) message: BytesMut,
    pub(crate) quick: bool,
    pub(crate) primary: bool,
    pub(crate) reply: oneshot::Sender<Result<Answer, DriverError>>,
    /// Whether a lane has taken it.
    pub(crate) started: Arc<AtomicBool>,
    /// How often it was sent in vain.
    pub(crate) attempts: u8,
}

/// Rows, and how long they took.
pub(crate) struct Answer {
    pub(crate) rows: Rows,
    pub(crate) took: Duration,
}

/// How a lane treats its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Quick,
    Slow,
}

/// What a lane does next.
pub(crate) struct Work {
    pub(crate) requests: VecDeque<Request>,
    pub(crate) kind: Kind,
}

/// How many lanes may do what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) quick: usize,
    pub(crate) slow: usize,
    /// Statements of each kind that may wait.
    pub(crate) waiting: usize,
}

#[derive(Default)]
struct State {
    quick: VecDeque<Request>,
    slow: VecDeque<Request>,
    idle: Vec<usize>,
    /// Lanes that were woken and have not looked yet.
    waking: usize,
    quick_running: usize,
    slow_running: usize,
    closed: bool,
}

pub(crate) struct Queue {
    state: Mutex<State>,
    wake: Vec<Notify>,
    limits: Limits,
}

impl Queue {
    pub(crate) fn new(lanes: usize, limits: Limits) -> Self {
        Self { state: Mutex::default(), wake: (0..lanes).map(|_| Notify::new()).collect(), limits }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Put a request in.
    pub(crate) fn submit(&self, request: Request) -> Result<(), DriverError> {
        let mut state = self.lock();
        if state.closed {
            return Err(DriverError::Closed);
        }
        let kind = if request.quick { Kind::Quick } else { Kind::Slow };
        let waiting = match kind {
            Kind::Quick => &mut state.quick,
            Kind::Slow => &mut state.slow,
        };
        if waiting.len() >= self.limits.waiting {
            return Err(DriverError::Busy);
        }
        waiting.push_back(request);
        self.wake_for(&mut state, kind);
        Ok(())
    }

    /// How many quick and slow statements wait.
    pub(crate) fn waiting(&self) -> [usize; 2] {
        let state = self.lock();
        [state.quick.len(), state.slow.len()]
    }

    fn may_start(&self, state: &State, kind: Kind) -> bool {
        match kind {
            Kind::Quick => state.quick_running < self.limits.quick,
            Kind::Slow => state.slow_running < self.limits.slow,
        }
    }

    fn wake_for(&self, state: &mut State, kind: Kind) {
        let (running, limit) = match kind {
            Kind::Quick => (state.quick_running, self.limits.quick),
            Kind::Slow => (state.slow_running, self.limits.slow),
        };
        if running + state.waking < limit
            && let Some(lane) = state.idle.pop()
        {
            state.waking += 1;
            self.wake[lane].notify_one();
        }
    }

    /// The next work for `lane`; waits for it. `None` when the queue is closed.
    pub(crate) async fn take(&self, lane: usize) -> Option<Work> {
        loop {
            {
                let mut state = self.lock();
                if state.closed {
                    return None;
                }
                if let Some(work) = self.pick(&mut state) {
                    return Some(work);
                }
                state.idle.push(lane);
            }
            self.wake[lane].notified().await;
            // whoever is about to ask as well gets to do it first: then their statements travel together
            tokio::task::yield_now().await;
            let mut state = self.lock();
            state.waking = state.waking.saturating_sub(1);
        }
    }

    fn pick(&self, state: &mut State) -> Option<Work> {
        if !state.quick.is_empty() && self.may_start(state, Kind::Quick) {
            let mut bytes = 0;
            let fits = |request: &&Request| {
                bytes += request.message.len();
                bytes <= BATCH_BYTES
            };
            let count = state.quick.iter().take(BATCH).take_while(fits).count().max(1);
            let requests = state.quick.drain(..count).collect();
            state.quick_running += 1;
            if !state.quick.is_empty() {
                self.wake_for(state, Kind::Quick);
            }
            return Some(Work { requests, kind: Kind::Quick });
        }
        while !state.slow.is_empty() && self.may_start(state, Kind::Slow) {
            let request = state.slow.pop_front()?;
            if request.reply.is_closed() {
                continue;
            }
            request.started.store(true, Ordering::Release);
            state.slow_running += 1;
            return Some(Work { requests: VecDeque::from([request]), kind: Kind::Slow });
        }
        None
    }

    /// A lane has done its work.
    pub(crate) fn done(&self, kind: Kind) {
        let mut state = self.lock();
        match kind {
            Kind::Quick => state.quick_running -= 1,
            Kind::Slow => state.slow_running -= 1,
        }
    }

    /// A lane's quick statements take long.
    pub(crate) fn slowed_down(&self) {
        let mut state = self.lock();
        state.quick_running -= 1;
        state.slow_running += 1;
        if !state.quick.is_empty() {
            self.wake_for(&mut state, Kind::Quick);
        }
    }

    /// Take nothing more; what waits is dropped, and its askers see that.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.quick.clear();
        state.slow.clear();
        drop(state);
        self.wake.iter().for_each(Notify::notify_one);
    }
}
