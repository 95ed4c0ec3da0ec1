//! The walks over the whole schema: what must hold of every field is asked of every field, so that a new one is covered the day it is added. A walk
//! fails when a field could not be reached, or when there was too little to tell.

mod actions;
mod broken;
mod conventions;
mod guards;
pub mod mixed;
mod nulls;
mod oracle;
pub mod plans;
mod shapes;
mod siblings;
mod specification;
mod statements;
mod transports;
pub mod ways;
