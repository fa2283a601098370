//! Operations that keep arrays for their rule.

use smallvec::SmallVec;

use crate::shape::count;
use crate::{Float, Operation, Tape, Var, View};

impl<T: Float> Tape<T> {
    /// Like [`apply`](Self::apply), for an operation that also computes `kept` arrays in the shape of its output and
    /// keeps them for its rule, which finds them after its inputs. `run` is given the inputs, the shape, and the slices
    /// to write: the output and then the `kept` arrays.
    #[track_caller]
    pub(crate) fn apply_keeping<'t, O: Operation<T>>(
        &'t self,
        operation: O,
        inputs: &[Var<'t, T>],
        kept: usize,
        run: impl FnOnce(&[View<'_, T>], &[usize], &mut [&mut [T]]),
    ) -> Var<'t, T> {
        self.check_tapes(operation.name(), inputs);
        let views: SmallVec<[View<'_, T>; 3]> = inputs.iter().map(|v| self.nodes().node(v.index()).value).collect();
        let shapes: SmallVec<[_; 3]> = views.iter().map(View::shape).collect();
        let shape = self.output_shape(&operation, inputs, &shapes);
        let len = count(shape);
        let mut blocks: SmallVec<[&mut [T]; 4]> = (0..=kept).map(|_| self.nodes().alloc(len)).collect();
        {
            let mut outputs: SmallVec<[&mut [T]; 4]> = blocks.iter_mut().map(|block| &mut block[..len]).collect();
            run(&views, shape, &mut outputs);
        }
        let mut blocks = blocks.into_iter().map(|block| &*block);
        let value = blocks.next().expect("the output's");
        let kept: SmallVec<[u32; 4]> = blocks.map(|block| self.push_leaf(block, shape, false).index()).collect();
        let indices: SmallVec<[u32; 4]> = inputs.iter().map(|v| v.index()).chain(kept).collect();
        self.push(operation, Some(self.nodes().input_list(indices.into_iter())), value, shape)
    }
}
