//! Gradients that come from elsewhere: from another process, say, which has no tape here.

use crate::Float;
use crate::engine::gradients::Gradients;
use crate::engine::workspace::{Entry, Workspace, Workspaces};
use crate::memory::Pool;
use crate::model::param::{Param, ParamId, Update};

/// An update of a buffer, in numbers that can be sent: the buffer moves toward `value` by the share `rate`.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq)]
pub struct BufferUpdate<T> {
    pub buffer: ParamId,
    pub rate: f64,
    pub value: Vec<T>,
}

impl<T: Float> Gradients<T> {
    /// Gradients of nothing, to which gradients can be [added](Self::add) or [set](Self::set).
    ///
    /// ```
    /// use gradus_autograd::{Gradients, Param};
    /// let w = Param::new([1.0f32, 2.0]);
    /// let mut grads = Gradients::empty();
    /// assert_eq!(grads.wrt(&w), ndarray::array![0.0, 0.0].into_dyn());
    /// grads.set(&w, None, |numbers| numbers.copy_from_slice(&[3.0, 4.0]));
    /// assert_eq!(grads.norm(), 5.0);
    /// ```
    pub fn empty() -> Self {
        let home = Workspaces::new();
        let workspace = home.borrow();
        Self::of(workspace, home)
    }

    /// Sets the gradient of a parameter to numbers that `write` writes, row by row. If only some rows (along axis 0)
    /// hold other numbers than 0, `rows` may say which, in order: an optimizer can then pass over the others.
    pub fn set(&mut self, param: &Param<T>, rows: Option<Vec<usize>>, write: impl FnOnce(&mut [T])) {
        write(self.numbers_mut(param.id(), param.shape()));
        self.set_rows(param.id(), rows);
    }

    /// The gradient of the parameter of this identity and shape, to be changed. If there is none, it is made, with
    /// zeros.
    #[doc(hidden)]
    pub fn numbers_mut(&mut self, param: ParamId, shape: &[usize]) -> &mut [T] {
        let len = shape.iter().product();
        let Workspace { pool, entries, .. } = self.workspace_mut();
        let numbers = match entries.iter().find(|entry| entry.param == Some(param)) {
            Some(entry) => entry.numbers,
            None => {
                let mut slot = pool.alloc(len);
                slot.write().expect("a new block has one slot").fill(T::default()); // the padding too
                let numbers = Pool::keep(slot);
                entries.push(Entry { node: u32::MAX, param: Some(param), numbers, rows: None, shape: shape.into() });
                numbers
            }
        };
        &mut pool.kept_mut(numbers)[..len]
    }

    /// Says which rows of a parameter's gradient may hold other numbers than 0.
    #[doc(hidden)]
    pub fn set_rows(&mut self, param: ParamId, rows: Option<Vec<usize>>) {
        let entries = &mut self.workspace_mut().entries;
        if let Some(entry) = entries.iter_mut().find(|entry| entry.param == Some(param)) {
            entry.rows = rows;
        }
    }

    /// Takes the gradient of a parameter away.
    #[doc(hidden)]
    pub fn remove(&mut self, param: ParamId) {
        self.workspace_mut().entries.retain(|entry| entry.param != Some(param));
    }

    /// The gradients by parameters, with the rows that may hold other numbers than 0.
    #[doc(hidden)]
    pub fn by_params(&self) -> impl Iterator<Item = (ParamId, &[T], Option<&[usize]>)> {
        let Workspace { pool, entries, .. } = self.workspace();
        entries.iter().filter_map(|entry| {
            let len: usize = entry.shape.iter().product();
            Some((entry.param?, &pool.kept(entry.numbers)[..len], entry.rows.as_deref()))
        })
    }

    /// Takes out the updates of buffers that the gradients carry.
    #[doc(hidden)]
    pub fn take_updates(&mut self) -> Vec<BufferUpdate<T>> {
        let taken = std::mem::take(self.updates_mut()).into_iter();
        taken.map(|Update { buffer, rate, value }| BufferUpdate { buffer, rate, value }).collect()
    }

    /// Appends an update of a buffer.
    #[doc(hidden)]
    pub fn push_update(&mut self, BufferUpdate { buffer, rate, value }: BufferUpdate<T>) {
        self.updates_mut().push(Update { buffer, rate, value });
    }
}
