//! Deals: what a business hopes to sell, on its way through the stages of a pipeline.
//!
//! What must hold: a deal stands in a stage of its own pipeline, and its status says what that stage is for; a closed deal has the instant of
//! closing, a lost one its reason as well, an open one neither; each move from stage to stage is written down. A contact, company or owner is one
//! of the organization. Deleting a deal removes its history and its timeline, and keeps its tasks without the deal.
//!
//! Tables: `deals`, `deal_stage_changes`.

pub mod actions;
pub mod loaders;
pub mod model;
pub mod mutations;
pub mod object;
pub mod queries;
pub mod roots;
pub mod rules;
pub mod subscriptions;

pub use mutations::Mutations;
pub use roots::Roots;
