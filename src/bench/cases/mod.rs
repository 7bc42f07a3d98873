//! The benchmark cases. Each checks its result against the reference, then times the same program.

mod aft;
mod attention;
mod case;
mod choose;
mod generate;
mod group;
mod model;
mod nn;
mod shapes;
mod train;
mod truth;
mod update;
mod work;

pub(super) use case::Case;
pub(super) use choose::chosen;
pub(super) use group::{Group, skipped};
pub(super) use train::explain as explain_training;
