//! Pipelines: the ways that deals go, each with its stages in their order.
//!
//! What must hold: a pipeline has at least one open stage, exactly one won and one lost stage; a deal in the won stage counts with 100 % and in the
//! lost stage with 0 %; at most one pipeline of an organization is the default; names are unique, those of stages within their pipeline. What a
//! stage is for (open, won or lost) never changes, because the deals in it say the same of themselves. The positions of a pipeline's stages are 0, 1,
//! 2 and so on without a gap. Nothing is deleted that a deal, or the history of one, refers to.
//!
//! Tables: `pipelines`, `pipeline_stages`.

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
