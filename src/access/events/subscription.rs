//! The events of an organization, as one subscriber gets them: first what has already happened, then what happens.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;
use uuid::Uuid;

use crate::access::events::pump::{Hub, Subscriber};
use crate::access::events::watch::Interest;
use crate::access::events::{Event, EventPosition};
use crate::base::Result;
use crate::platform::postgres::position::Line;

/// The events of an organization, as one subscriber gets them.
pub struct Subscription {
    hub: Arc<Hub>,
    organization: Uuid,
    number: u64,
    /// Which database the positions are of.
    line: Option<Line>,
    interest: Interest,
    events: mpsc::Receiver<Arc<Event>>,
    lagged: Arc<AtomicBool>,
    /// The last event that was given out.
    told: EventPosition,
    /// Up to where the log was read for this subscriber.
    read: EventPosition,
    queue: VecDeque<Arc<Event>>,
    replay: Replay,
}

/// What is still to be read from the log before events are told as they come.
pub(super) enum Replay {
    /// Nothing.
    Nothing,
    /// All that there is, and then the subscriber joins.
    All(Subscriber),
    /// What was told to others before the subscriber joined.
    Until(EventPosition),
}

/// What comes next.
#[derive(Debug)]
pub enum Next {
    /// An event.
    Event(Arc<Event>),
    /// The subscriber was too slow, and is told nothing any more.
    TooSlow,
    /// Another database is written to than when it began, so that nothing can be followed any more.
    Elsewhere,
}

impl Subscription {
    /// A subscription that begins after a position.
    pub(super) fn new(
        hub: &Arc<Hub>,
        (organization, number): (Uuid, u64),
        interest: Interest,
        (events, lagged): (mpsc::Receiver<Arc<Event>>, Arc<AtomicBool>),
        place: EventPosition,
        replay: Replay,
    ) -> Self {
        metrics::gauge!("subscriptions").increment(1.0);
        let (hub, line) = (Arc::clone(hub), hub.line());
        Self { hub, organization, number, line, interest, events, lagged, told: place, read: place, queue: VecDeque::new(), replay }
    }

    /// The position of the last event that was given out; the beginning before that.
    #[must_use]
    pub const fn position(&self) -> EventPosition {
        self.told
    }

    /// The next event.
    ///
    /// # Errors
    /// As the database fails.
    pub async fn next(&mut self) -> Result<Next> {
        let next = self.next_of_any().await?;
        Ok(if self.line == self.hub.line() { next } else { Next::Elsewhere })
    }

    async fn next_of_any(&mut self) -> Result<Next> {
        loop {
            if self.lagged.load(Ordering::Acquire) {
                return Ok(Next::TooSlow);
            }
            if let Some(event) = self.queue.pop_front() {
                self.told = event.position;
                return Ok(Next::Event(event));
            }
            if !matches!(self.replay, Replay::Nothing) {
                self.replay().await?;
                continue;
            }
            match self.events.recv().await {
                None => return Ok(Next::TooSlow),
                Some(event) if event.position <= self.read => {}
                Some(event) => {
                    self.told = event.position;
                    return Ok(Next::Event(event));
                }
            }
        }
    }

    /// Reads a page of what has already happened.
    async fn replay(&mut self) -> Result<()> {
        let page = self.hub.read(self.organization, &self.interest.nouns, self.read).await?;
        let until = if let Replay::Until(until) = self.replay { Some(until) } else { None };
        let is_last = page.events.last().is_none_or(|last| !page.has_more || until.is_some_and(|until| last.position >= until));
        let kept = page.events.into_iter().filter(|event| until.is_none_or(|until| event.position <= until));
        self.queue.extend(kept.map(Arc::new));
        self.read = self.queue.back().map_or(self.read, |last| last.position);
        if !is_last {
            return Ok(());
        }
        if until.is_none() {
            // What is complete and concerns her was read, also where nothing has for long: who joins must not have others read it all again.
            self.read = self.read.max(page.horizon);
        }
        if let Replay::All(subscriber) = std::mem::replace(&mut self.replay, Replay::Nothing) {
            let joined = self.hub.join_at(self.organization, self.number, subscriber, self.read);
            if joined > self.read {
                self.replay = Replay::Until(joined);
            }
        }
        Ok(())
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        metrics::gauge!("subscriptions").decrement(1.0);
        self.hub.leave(self.organization, self.number);
    }
}
