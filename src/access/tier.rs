//! What an organization has subscribed to.

use crate::text_enum;

text_enum! {
    /// What an organization has subscribed to.
    pub enum Plan {
        /// Free of charge.
        Free = "FREE",
        /// For a small team.
        Basic = "BASIC",
        /// For a growing business.
        Pro = "PRO",
        /// For several branches.
        Enterprise = "ENTERPRISE",
    }
}
