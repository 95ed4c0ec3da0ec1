//! What stands in the `extensions` of an answer.

use serde::Serialize;

use crate::web::consistency::ConsistencyBody;
use crate::web::cost::CostBody;

/// The `extensions` of an answer.
#[derive(Debug, Default, Serialize)]
pub struct Extensions {
    /// What the operation cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<CostBody>,
    /// What there is to say of consistency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consistency: Option<ConsistencyBody>,
    /// Where the change that is answered stands among all changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<String>,
}
