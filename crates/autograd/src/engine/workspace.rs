//! Memory that a sweep borrows from its tape. It goes back when the gradients are dropped, and serves the next sweep.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::Float;
use crate::engine::value::Value;
use crate::memory::{Kept, Pool, Recycled};
use crate::model::param::ParamId;
use crate::shape::Shape;

/// The memory of one sweep, and of the gradients that it returns.
pub(crate) struct Workspace<T: Float> {
    pub(crate) pool: Pool<T>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) sums: Recycled<RefCell<Option<Value<'static, T>>>>,
}

/// The gradient of one node, in the pool of a workspace.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) node: u32,
    pub(crate) param: Option<ParamId>,
    pub(crate) numbers: Kept,
    /// the rows that may hold other numbers than 0, in order; `None` if they all may
    pub(crate) rows: Option<Vec<usize>>,
    pub(crate) shape: Shape,
}

impl Entry {
    pub(crate) fn new<T: Float>(node: u32, param: Option<ParamId>, gradient: Value<'_, T>) -> Self {
        let (numbers, rows, shape) = gradient.keep();
        Entry { node, param, numbers, rows, shape }
    }
}

/// The workspaces of a tape that are not in use at the moment.
pub(crate) struct Workspaces<T: Float>(Arc<Mutex<Vec<Workspace<T>>>>);

impl<T: Float> Clone for Workspaces<T> {
    fn clone(&self) -> Self {
        Workspaces(Arc::clone(&self.0))
    }
}

impl<T: Float> Workspaces<T> {
    pub(crate) fn new() -> Self {
        Workspaces(Arc::default())
    }

    /// Takes a workspace and empties it; makes a new one if all are in use.
    pub(crate) fn borrow(&self) -> Workspace<T> {
        let new = || Workspace { pool: Pool::new(), entries: Vec::new(), sums: Recycled::new() };
        let mut workspace = self.lock().pop().unwrap_or_else(new);
        workspace.pool.reset();
        workspace.entries.clear();
        workspace
    }

    pub(crate) fn give_back(&self, workspace: Workspace<T>) {
        self.lock().push(workspace);
    }

    /// The bytes that are kept for the next sweep.
    pub(crate) fn bytes(&self) -> usize {
        self.lock().iter().map(|workspace| workspace.pool.bytes()).sum()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Workspace<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
