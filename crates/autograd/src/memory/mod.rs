//! The memory that holds numbers. It only grows until it is cleared, so the numbers in it never move.
//!
//! Nodes of a tape are only ever appended, and clearing needs `&mut`. A value can therefore be read through `&self` for
//! as long as the tape is borrowed, without a copy or a guard. Apart from vector instructions, all `unsafe` code of the
//! crate is in this folder, which knows nothing of operations:
//!
//! - `arena.rs`: blocks of numbers, 64-byte aligned, padded to whole multiples of 16 numbers, always initialised;
//! - `pages.rs`: large pieces of memory, in huge pages;
//! - `pool.rs`: an arena whose blocks are reference-counted and reused, for gradients;
//! - `shared.rs`: a separate block, for a parameter;
//! - `recycled.rs`: the memory of a vector, kept from one sweep to the next;
//! - `nodes.rs`: the entries of a tape, with their shapes;
//! - `operations.rs`: the operations of a tape, whose types this folder does not know.
#![allow(unsafe_code)]

mod arena;
mod nodes;
mod operations;
mod pages;
mod pool;
mod recycled;
mod shared;
#[cfg(test)]
mod tests;

pub(crate) use arena::{padded, unwritten};
pub(crate) use nodes::{Frozen, NewNode, Node, Nodes};
pub(crate) use operations::Operations;
pub(crate) use pool::{Kept, Pool, Slot};
pub(crate) use recycled::Recycled;
pub(crate) use shared::Shared;
