//! How the fields of one operation take turns, with each other and with everybody else's operations.
//!
//! What is loaded already resolves without waiting for anything, so that an operation with much to compute would keep its thread to itself: no time
//! limit, and nobody else, would come to their turn. So a turn is so many fields long. And what many fields ask for is read when all siblings have
//! asked: in a whole turn nobody has asked, been answered or been held back.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::task::AtomicWaker;

/// How many fields begin in one turn of the runtime: about a millisecond's work.
const FIELDS_IN_A_TURN: usize = 1_000;

/// How many turns follow the first at once, while the fields in all of them together are no more than in one.
const MOST_AT_ONCE: usize = 4;

/// The turns of one operation.
#[derive(Default)]
pub struct Turns {
    /// Fields that began in this turn.
    begun: AtomicUsize,
    /// Counts fields that ask, are answered, or are held back.
    stirred: AtomicUsize,
    /// Fields that were held back, to be woken in the next turn.
    held: Mutex<Vec<Waker>>,
    /// What is to be done once nothing stirs.
    later: Mutex<Vec<BoxFuture<'static, ()>>>,
}

impl Turns {
    /// Runs an operation turn by turn, and between its turns what it left for later.
    pub async fn run<T>(&self, operation: impl Future<Output = T>) -> T {
        let mut operation = pin!(operation);
        let mut batches = Batches::default();
        let (relay, waker) = Relay::new();
        let mut is_due = true;
        std::future::poll_fn(|context| {
            self.begun.store(0, Ordering::Relaxed);
            let mut at_once = 0;
            loop {
                relay.begin(context.waker());
                std::mem::take(&mut *lock(&self.held)).into_iter().for_each(Waker::wake);
                // Most often it is a batch that can go on, and to look through all fields for that would take longer than letting it do so.
                if relay.was_woken() || is_due {
                    let before = self.stirred.load(Ordering::Relaxed);
                    if let Poll::Ready(done) = operation.as_mut().poll(&mut Context::from_waker(&waker)) {
                        return Poll::Ready(done);
                    }
                    // Who was held back by the runtime, for what all have done in this poll, has neither asked nor been woken, and it is not quiet.
                    let held_back = !tokio::task::coop::has_budget_remaining();
                    is_due = relay.was_woken() || held_back || self.stirred.load(Ordering::Relaxed) != before;
                    if is_due {
                        // What is short has its next turn at once: the way through the runtime and back costs more than the turn.
                        if !held_back && at_once < MOST_AT_ONCE && self.begun.load(Ordering::Relaxed) < FIELDS_IN_A_TURN {
                            at_once += 1;
                            continue;
                        }
                        relay.end();
                        return give_way(context);
                    }
                }
                batches.add(std::mem::take(&mut *lock(&self.later)));
                // What is over has answers for the operation; there may be none to wait for.
                let answered = batches.go_on(context);
                is_due = relay.end() || answered;
                if !is_due {
                    return Poll::Pending;
                }
                if !answered {
                    return give_way(context);
                }
            }
        })
        .await
    }

    /// Begins a field, in this turn or in a later one.
    pub async fn begin(&self) {
        self.begin_all(1).await;
    }

    /// Begins so many fields together.
    pub async fn begin_all(&self, fields: usize) {
        // Woken by the next turn itself: what the runtime wakes may come turns later, and nothing would have stirred meanwhile.
        std::future::poll_fn(|context| {
            if self.begun.fetch_add(fields, Ordering::Relaxed) < FIELDS_IN_A_TURN {
                return Poll::Ready(());
            }
            self.stir();
            lock(&self.held).push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Counts fields that begin in this turn whatever began in it before, since they are done at once.
    pub fn count(&self, fields: usize) {
        self.begun.fetch_add(fields, Ordering::Relaxed);
    }

    /// Says that a field asked or was answered.
    pub fn stir(&self) {
        self.stirred.fetch_add(1, Ordering::Relaxed);
    }

    /// Leaves something to be done when nothing has stirred for a turn: then all siblings have asked.
    pub fn when_quiet(&self, work: BoxFuture<'static, ()>) {
        lock(&self.later).push(work);
    }
}

/// Yields: the runtime comes back after it has looked at everybody else, and at the clock.
fn give_way<T>(context: &mut Context<'_>) -> Poll<T> {
    let _ = pin!(tokio::task::yield_now()).poll(context);
    Poll::Pending
}

/// What an operation left for later and is under way.
struct Batches {
    all: FuturesUnordered<BoxFuture<'static, ()>>,
    relay: Arc<Relay>,
    waker: Waker,
}

impl Default for Batches {
    fn default() -> Self {
        let (relay, waker) = Relay::new();
        Self { all: FuturesUnordered::new(), relay, waker }
    }
}

impl Batches {
    fn add(&mut self, more: Vec<BoxFuture<'static, ()>>) {
        self.all.extend(more);
    }

    /// Lets all go on that can; whether one is over.
    fn go_on(&mut self, context: &mut Context<'_>) -> bool {
        if self.all.is_empty() {
            return false;
        }
        self.relay.begin(context.waker());
        self.relay.was_woken();
        let own = &mut Context::from_waker(&self.waker);
        let mut gone_on = self.all.poll_next_unpin(own);
        // Whenever it has asked each of them it wants to be asked again, most often for nothing, which costs less here than by way of the runtime.
        if gone_on.is_pending() && self.relay.was_woken() {
            gone_on = self.all.poll_next_unpin(own);
        }
        if self.relay.end() && gone_on.is_pending() {
            context.waker().wake_by_ref();
        }
        matches!(gone_on, Poll::Ready(Some(())))
    }
}

/// Tells the runtime that those who are woken can go on, but not while they are in their turn: they would have the next one before anybody else.
#[derive(Default)]
struct Relay {
    task: AtomicWaker,
    in_turn: AtomicBool,
    woken: AtomicBool,
}

impl Relay {
    /// A relay, and what wakes by way of it.
    fn new() -> (Arc<Self>, Waker) {
        let relay = Arc::new(Self::default());
        (Arc::clone(&relay), Waker::from(relay))
    }

    fn begin(&self, waker: &Waker) {
        self.task.register(waker);
        self.in_turn.store(true, Ordering::SeqCst);
    }

    /// Whether somebody was woken since this was last asked.
    fn was_woken(&self) -> bool {
        self.woken.swap(false, Ordering::SeqCst)
    }

    /// Ends the turn. Whether somebody was woken in it, of which the runtime may not have been told.
    fn end(&self) -> bool {
        self.in_turn.store(false, Ordering::SeqCst);
        self.woken.load(Ordering::SeqCst)
    }
}

impl Wake for Relay {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::SeqCst);
        if !self.in_turn.load(Ordering::SeqCst) {
            self.task.wake();
        }
    }
}

fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use futures_util::future::join_all;

    use super::*;

    /// On one thread: the other task counts how often it comes to its turn while thousands of fields begin.
    #[tokio::test]
    async fn others_come_to_their_turn() {
        let turns = Arc::new(Turns::default());
        let own = Arc::clone(&turns);
        let operation = tokio::spawn(async move {
            let fields = join_all((0..10 * FIELDS_IN_A_TURN).map(|_| own.begin()));
            own.run(fields).await.len()
        });
        let mut between = 0;
        while !operation.is_finished() {
            tokio::task::yield_now().await;
            between += 1;
        }
        assert_eq!(operation.await.unwrap(), 10 * FIELDS_IN_A_TURN);
        assert!(between >= 9, "{between}");
    }

    /// Runs an operation once that begins so many fields, and stirs, in each of so many turns; whether it is done, and how many turns it had.
    fn run_once(fields: usize, turns: usize) -> (bool, usize) {
        let (own, had) = (Turns::default(), AtomicUsize::new(0));
        let operation = async {
            loop {
                own.begin_all(fields).await;
                if had.fetch_add(1, Ordering::Relaxed) == turns {
                    return;
                }
                own.stir();
                futures_util::pending!();
            }
        };
        (own.run(operation).now_or_never().is_some(), had.load(Ordering::Relaxed))
    }

    #[test]
    fn what_is_short_is_done_without_the_runtime_and_what_is_not_lets_others_come() {
        assert_eq!(run_once(1, MOST_AT_ONCE), (true, MOST_AT_ONCE + 1));
        assert_eq!(run_once(1, usize::MAX), (false, MOST_AT_ONCE + 1));
        // All turns at once together are as long as one.
        assert_eq!(run_once(FIELDS_IN_A_TURN / 2, usize::MAX), (false, 2));
    }

    /// A batch that waits is not a reason to look at the fields; an answer is.
    #[tokio::test]
    async fn an_operation_is_left_alone_while_its_batches_wait() {
        let (turns, looked) = (Turns::default(), AtomicUsize::new(0));
        let (tell, mut told) = tokio::sync::oneshot::channel();
        turns.when_quiet(Box::pin(async move {
            for _ in 0..5 {
                tokio::task::yield_now().await;
            }
            let _ = tell.send(());
        }));
        let operation = std::future::poll_fn(|context| {
            looked.fetch_add(1, Ordering::Relaxed);
            told.poll_unpin(context)
        });
        assert_eq!(turns.run(operation).await, Ok(()));
        assert_eq!(looked.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn a_batch_that_waits_does_not_have_the_runtime_come_back() {
        #[derive(Default)]
        struct Count(AtomicUsize);
        impl Wake for Count {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let (turns, count) = (Turns::default(), Arc::new(Count::default()));
        let (tell, told) = tokio::sync::oneshot::channel::<()>();
        turns.when_quiet(told.map(drop).boxed());
        let mut run = pin!(turns.run(std::future::pending::<()>()));
        let waker = Waker::from(Arc::clone(&count));
        assert!(run.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        assert_eq!(count.0.load(Ordering::Relaxed), 0);
        tell.send(()).unwrap();
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn batches_that_are_there_already_let_others_come() {
        let (turns, answered, mut answers) = (Turns::default(), Arc::new(AtomicBool::new(true)), 0);
        let operation = std::future::poll_fn(|_| {
            if answered.swap(false, Ordering::Relaxed) {
                answers += 1;
                turns.stir();
                let told = Arc::clone(&answered);
                turns.when_quiet(async move { told.store(true, Ordering::Relaxed) }.boxed());
            }
            Poll::<()>::Pending
        });
        assert_eq!(turns.run(operation).now_or_never(), None);
        assert_eq!(answers, MOST_AT_ONCE + 1);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn it_is_not_quiet_while_fields_are_held_back() {
        let turns = Arc::new(Turns::default());
        let begun = Arc::new(AtomicUsize::new(0));
        let (seen, told) = tokio::sync::oneshot::channel();
        let own = Arc::clone(&begun);
        turns.when_quiet(Box::pin(async move {
            let _ = seen.send(own.load(Ordering::Relaxed));
        }));
        let own = Arc::clone(&turns);
        let fields = join_all((0..5 * FIELDS_IN_A_TURN).map(move |_| {
            let (turns, begun) = (Arc::clone(&own), Arc::clone(&begun));
            async move {
                turns.begin().await;
                begun.fetch_add(1, Ordering::Relaxed);
            }
        }));
        // In a task, whose yielding neighbours the runtime wakes whenever it likes.
        let operation = async move { turns.run(futures_util::future::join(fields, told)).await.1 };
        assert_eq!(tokio::spawn(operation).await.unwrap(), Ok(5 * FIELDS_IN_A_TURN));
    }
}
