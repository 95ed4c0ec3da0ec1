//! `seed --bench`: data to measure with.
use crate::commands::seed::{Progress, Summary};
/// x
/// # Errors
/// x
pub async fn bench(_url: &str, _now: chrono::DateTime<chrono::Utc>, _progress: &Progress) -> anyhow::Result<Summary> {
    Ok(Summary::default())
}
