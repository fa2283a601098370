//! Operations that keep arrays for their rule.

use smallvec::SmallVec;

use crate::shape::count;
use crate::{Float, Operation, Tape, Var, View};

impl<T: Float> Tape<T> {
    /// Like [`apply`](Self::apply), for an operation that also computes `kept` arrays and keeps them for its rule,
    /// which finds them after its inputs. They have the shape of the output, unless another is given. `run` is given
    /// the inputs and the slices to write: the output and then the `kept` arrays.
    #[track_caller]
    pub(crate) fn apply_keeping<'t, O: Operation<T>>(
        &'t self,
        operation: O,
        inputs: &[Var<'t, T>],
        (kept, kept_shape): (usize, Option<&[usize]>),
        run: impl FnOnce(&[View<'_, T>], &mut [&mut [T]]),
    ) -> Var<'t, T> {
        self.check_tapes(operation.name(), inputs);
        let views: SmallVec<[View<'_, T>; 3]> = inputs.iter().map(|v| self.nodes().node(v.index()).value).collect();
        let shapes: SmallVec<[_; 3]> = views.iter().map(View::shape).collect();
        let shape = self.output_shape(&operation, inputs, &shapes);
        let kept_shape = kept_shape.map_or(shape, |kept| self.nodes().shape(kept));
        let lens = || std::iter::once(count(shape)).chain(std::iter::repeat_n(count(kept_shape), kept));
        let mut blocks: SmallVec<[&mut [T]; 4]> = lens().map(|len| self.nodes().alloc(len)).collect();
        {
            let outputs = blocks.iter_mut().zip(lens()).map(|(block, len)| &mut block[..len]);
            run(&views, &mut outputs.collect::<SmallVec<[&mut [T]; 4]>>());
        }
        let mut blocks = blocks.into_iter().map(|block| &*block);
        let value = blocks.next().expect("the output's");
        let kept: SmallVec<[u32; 4]> = blocks.map(|block| self.push_leaf(block, kept_shape, false).index()).collect();
        self.held().borrow_mut().extend_from_slice(&kept);
        let indices: SmallVec<[u32; 4]> = inputs.iter().map(|v| v.index()).chain(kept).collect();
        self.push(operation, Some(self.nodes().input_list(indices.into_iter())), value, shape)
    }
}
