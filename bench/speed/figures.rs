//! What the rounds come to.

/// The middle one; between the two in the middle where there are as many on each side.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = |place: usize| values.get(place).copied().unwrap_or_default();
    let half = values.len() / 2;
    if values.len() % 2 == 1 { at(half) } else { (at(half.saturating_sub(1)) + at(half)) / 2.0 }
}

/// The median of what each round's two sides come to beside each other. They are measured one right after the other, so that a machine which is slower in
/// one round than in the next is slower for both.
pub fn ratio(rates: &[f64], by_hand: &[f64]) -> f64 {
    median(rates.iter().zip(by_hand).map(|(rate, by_hand)| rate / by_hand).collect())
}

/// How much more the most is than the least, in percent.
pub fn spread(values: &[f64]) -> f64 {
    100.0 * (values.iter().copied().fold(0.0, f64::max) / values.iter().copied().fold(f64::INFINITY, f64::min) - 1.0)
}

/// What is to be said when a work's ratio is less than it is to be; one that is no number is less.
pub fn slow(title: &str, ratio: f64, at_least: f64) -> Option<String> {
    (ratio.is_nan() || ratio < at_least).then(|| format!("{title}: {ratio:.3} and not {at_least:.2}"))
}

/// What is to be said when memory in MB is not under what it is to be.
pub fn large(when: &str, memory: f64, under: f64) -> Option<String> {
    (memory.is_nan() || memory >= under).then(|| format!("memory {when}: {memory:.0} MB and not under {under:.0}"))
}
