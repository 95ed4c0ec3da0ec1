//! The queues: each has its number of attempts, its delays between them, its time limit, and how many of its jobs run at once in one process.

use std::time::Duration;

use crate::text_enum;

text_enum! {
    /// Where a job waits.
    pub enum Queue {
        /// E-mail.
        Email = "EMAIL",
        /// Text messages.
        Sms = "SMS",
        /// Reports and exports.
        Report = "REPORT",
        /// Questions to a model.
        Agent = "AGENT",
        /// Calls to the addresses of webhooks.
        Webhook = "WEBHOOK",
        /// Everything that keeps the data in order.
        Maintenance = "MAINTENANCE",
    }
}

text_enum! {
    /// Which of the jobs that are due goes first.
    pub enum Priority {
        /// Before the others.
        High = "HIGH",
        /// As usual.
        Normal = "NORMAL",
        /// When nothing else is due.
        Low = "LOW",
    }
}

/// What holds of the jobs of a queue.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// How often a job is tried.
    pub attempts: i32,
    /// How long after the first attempt the second one comes.
    delay: Duration,
    /// By how much each delay is longer than the one before.
    factor: u32,
    /// How long one attempt may take.
    pub limit: Duration,
    /// How many jobs run at once in one process.
    pub at_once: usize,
}

const fn rules(attempts: i32, delay: u64, factor: u32, limit: u64, at_once: usize) -> Rules {
    Rules { attempts, delay: Duration::from_secs(delay), factor, limit: Duration::from_secs(limit), at_once }
}

impl Queue {
    /// What holds of its jobs.
    #[must_use]
    pub const fn rules(self) -> Rules {
        match self {
            // Mail servers may take minutes to look through a mail; `platform::mail` sees that its patience fits in here.
            Self::Email => rules(3, 2, 2, 300, 8),
            // Four providers, each of which may stay silent for fifteen seconds, and what is written before and after.
            Self::Sms => rules(2, 5, 1, 120, 4),
            Self::Report => rules(2, 10, 2, 30, 2),
            Self::Agent => rules(2, 5, 2, 60, 2),
            // One place for each address that does not answer, and some more.
            Self::Webhook => rules(8, 5, 2, 30, 64),
            Self::Maintenance => rules(3, 60, 2, 300, 2),
        }
    }

    /// The word by which the queue's tables know it.
    #[must_use]
    pub fn task(self) -> String {
        self.as_str().to_lowercase()
    }
}

impl Rules {
    /// How long after the attempt of this number the next one comes.
    #[must_use]
    pub fn delay_after(&self, attempt: i32) -> Duration {
        let doublings = u32::try_from(attempt.saturating_sub(1)).unwrap_or(0).min(16);
        self.delay.saturating_mul(self.factor.saturating_pow(doublings))
    }
}

#[cfg(test)]
mod tests {
    use super::Queue;

    #[test]
    fn delays_grow_where_they_should() {
        let seconds = |queue: Queue| [1, 2, 3].map(|attempt| queue.rules().delay_after(attempt).as_secs());
        assert_eq!(seconds(Queue::Email), [2, 4, 8]);
        assert_eq!(seconds(Queue::Sms), [5, 5, 5]);
        let rules = [Queue::Email, Queue::Sms, Queue::Report, Queue::Agent].map(|queue| (queue.rules().attempts, queue.rules().limit.as_secs()));
        assert_eq!((rules[0].0, rules[1].0, rules[2].1, rules[3].1), (3, 2, 30, 60));
        assert_eq!(Queue::Maintenance.rules().delay_after(i32::MAX).as_secs(), 60 * 65_536);
    }
}
