//! Queues: turns events that come at any speed into at most a number of them that wait for one consumer.

use super::SourceError;
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};
use tokio::sync::Notify;

/// What becomes of a consumer whose queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overflow {
    /// Its subscription ends with an error, after the events that wait.
    #[default]
    End,
    /// The oldest event that waits is left out.
    Skip,
}

/// One event of a source: the text of a GraphQL response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Larger for an event that came later, in this process.
    pub number: u64,
    /// `{"data":…,"errors":…}` as the subgraph sent it.
    pub body: Bytes,
}

/// How a source ended.
#[derive(Debug, Clone)]
pub(super) enum End {
    Complete,
    Failed(SourceError),
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pushed {
    Waits,
    /// It waits, and the oldest one was left out.
    Skipped,
    /// The queue is closed, because it was full.
    Overflowed,
}

#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    ready: Notify,
    limit: usize,
    overflow: Overflow,
}

#[derive(Debug, Default)]
struct State {
    events: VecDeque<Event>,
    end: Option<End>,
}

impl Queue {
    pub fn new(limit: usize, overflow: Overflow) -> Self {
        Self { state: Mutex::default(), ready: Notify::new(), limit: limit.max(1), overflow }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it is held")
    }

    /// Put an event at the end.
    pub fn push(&self, event: Event) -> Pushed {
        let mut state = self.lock();
        let mut pushed = Pushed::Waits;
        if state.end.is_some() {
            return pushed;
        }
        if state.events.len() >= self.limit {
            match self.overflow {
                Overflow::End => {
                    state.end = Some(End::Failed(SourceError::TooSlow(self.limit)));
                    drop(state);
                    self.ready.notify_one();
                    return Pushed::Overflowed;
                }
                Overflow::Skip => drop(state.events.pop_front()),
            }
            pushed = Pushed::Skipped;
        }
        state.events.push_back(event);
        drop(state);
        self.ready.notify_one();
        pushed
    }

    /// Nothing comes any more.
    pub fn end(&self, end: End) {
        self.lock().end.get_or_insert(end);
        self.ready.notify_one();
    }

    /// The next event, or how the source ended: that is told once, then there is nothing.
    pub async fn next(&self) -> Option<Result<Event, SourceError>> {
        loop {
            {
                let mut state = self.lock();
                if let Some(event) = state.events.pop_front() {
                    return Some(Ok(event));
                }
                match &state.end {
                    Some(End::Complete) => return None,
                    Some(End::Failed(error)) => {
                        let error = error.clone();
                        state.end = Some(End::Complete);
                        return Some(Err(error));
                    }
                    None => {}
                }
            }
            self.ready.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(number: u64) -> Event {
        Event { number, body: Bytes::new() }
    }

    #[tokio::test]
    async fn a_full_queue_ends_after_what_waits() {
        let queue = Queue::new(2, Overflow::End);
        assert_eq!(
            [1, 2, 3, 4].map(|n| queue.push(event(n))),
            [Pushed::Waits, Pushed::Waits, Pushed::Overflowed, Pushed::Waits]
        );
        assert_eq!(queue.next().await.unwrap().unwrap().number, 1);
        assert_eq!(queue.next().await.unwrap().unwrap().number, 2);
        assert_eq!(queue.next().await.unwrap().unwrap_err().code(), "SUBSCRIPTION_TOO_SLOW");
        assert!(queue.next().await.is_none());
    }

    #[tokio::test]
    async fn a_full_queue_leaves_out_the_oldest_where_that_is_asked_for() {
        let queue = Queue::new(2, Overflow::Skip);
        (1..=3).for_each(|n| assert_ne!(queue.push(event(n)), Pushed::Overflowed));
        queue.end(End::Complete);
        assert_eq!(queue.next().await.unwrap().unwrap().number, 2);
        assert_eq!(queue.next().await.unwrap().unwrap().number, 3);
        assert!(queue.next().await.is_none());
    }
}
