//! The mutations of accounts.

pub mod members;
pub mod sign_in;

use async_graphql::MergedObject;

/// The mutations of accounts.
#[derive(MergedObject, Default)]
#[graphql(name = "AccountMutations")]
pub struct Mutations(members::MemberMutations, sign_in::SignInMutations);
