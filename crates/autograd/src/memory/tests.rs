//! These tests run under valgrind in `.ci/run`.

use std::sync::Arc;

use super::arena::{ALIGN, Arena, RawBlock};
use super::pool::size_class;
use super::*;
use crate::kernels::PAD;
use crate::view::View;
use crate::{Param, Tape};

#[test]
fn blocks_are_aligned_padded_apart_and_initialised() {
    let mut arena = Arena::<f32>::new();
    let mut held = None;
    for round in 0..3 {
        let blocks: Vec<RawBlock<f32>> = [0, 1, 15, 16, 17, 5000, 3].into_iter().map(|len| arena.alloc(len)).collect();
        for (i, block) in blocks.iter().enumerate() {
            assert_eq!(block.start.as_ptr() as usize % ALIGN, 0);
            assert_eq!(block.len % PAD, 0);
            // SAFETY: the arena is alive, and no other reference to the block is.
            let numbers = unsafe { block.write() };
            assert!(numbers.iter().all(|x| round > 0 || *x == 0.0), "of a fresh arena");
            numbers.fill(i as f32);
        }
        for (i, block) in blocks.iter().enumerate() {
            // SAFETY: as above.
            assert!(unsafe { block.read() }.iter().all(|&x| x == i as f32), "block {i} was written over");
        }
        arena.reset();
        let bytes = arena.bytes();
        assert_eq!((*held.get_or_insert(bytes), arena.used()), (bytes, 0), "the next round takes the same chunks");
    }
}

#[test]
fn a_block_is_used_again_after_its_last_slot() {
    let mut pool = Pool::<f64>::new();
    let first = pool.alloc(100);
    let place = first.read().as_ptr();
    let mut second = first.clone();
    assert!(second.write().is_none(), "two slots share the block");
    drop(first);
    assert!(second.write().is_some());
    drop(second);
    assert_eq!(pool.alloc(100).read().as_ptr(), place);
    let mut slot = pool.alloc(3);
    slot.write().unwrap()[..3].copy_from_slice(&[1.0, 2.0, 3.0]);
    let kept = Pool::keep(slot);
    let _other = Pool::keep(pool.alloc(3));
    assert_eq!(pool.kept(kept)[..3], [1.0, 2.0, 3.0]);
    pool.kept_mut(kept)[0] = 7.0;
    assert_eq!(pool.kept(kept)[0], 7.0);
    pool.reset();
}

#[test]
fn size_classes_hold_what_they_are_asked_for() {
    let mut last = (0, 0);
    for lines in 1..5000 {
        let (class, len) = size_class(lines * PAD);
        assert!(len >= lines * PAD && 4 * len <= 5 * lines * PAD, "{lines} lines in {len}");
        assert!(class == last.0 && len == last.1 || class == last.0 + 1 && len > last.1, "{lines} lines");
        last = (class, len);
    }
}

#[test]
fn operations_that_own_memory_are_dropped_with_their_tape() {
    use crate::{Float, Operation, Output, Shape, Tensor, Vjp};
    struct Owner(Arc<()>, [u64; 3]);
    impl<T: Float> Operation<T> for Owner {
        fn name(&self) -> &'static str {
            "owner"
        }
        fn shape(&self, inputs: &[&[usize]]) -> Result<Shape, String> {
            Ok(inputs[0].into())
        }
        fn forward(&self, inputs: &[View<'_, T>], mut output: Output<'_, T>) {
            output.data().copy_from_slice(inputs[0].data());
        }
        fn vjp<V: Tensor<T>>(&self, cx: &Vjp<'_, T, V>) {
            assert!(Arc::strong_count(&self.0) > 1 && self.1 == [1, 2, 3]);
            cx.add(0, || cx.take_grad());
        }
    }
    let witness = Arc::new(());
    let mut tape = Tape::new();
    for _ in 0..3 {
        let x = tape.var(1.0);
        let y = (0..5).fold(x, |y, _| tape.apply(Owner(witness.clone(), [1, 2, 3]), [y]));
        assert_eq!(y.backward().wrt(x)[[]], 1.0);
        assert_eq!(Arc::strong_count(&witness), 6);
        tape.clear();
        assert_eq!(Arc::strong_count(&witness), 1);
    }
    let x = tape.var(1.0);
    tape.apply(Owner(witness.clone(), [1, 2, 3]), [x]);
    drop(tape);
    assert_eq!(Arc::strong_count(&witness), 1);
}

#[test]
fn gradients_outlive_their_tape_and_parameters_outlive_both() {
    let w = Param::new([1.0, 2.0]);
    let grads = {
        let tape = Tape::new();
        tape.param(&w).square().sum().backward()
    };
    assert_eq!(grads.get(&w).unwrap().as_slice().unwrap(), [2.0, 4.0f32]);
    drop(grads);
    assert_eq!(w.data(), [1.0, 2.0]);
}

#[test]
fn a_cleared_tape_does_not_grow() {
    let mut tape = Tape::new();
    let mut bytes = Vec::new();
    for _ in 0..50 {
        let _ = tape.gradients(|t| {
            let x = t.var([0.5; 1000]);
            (0..30).fold(x, |y, _| y.tanh()).sum()
        });
        bytes.push(tape.memory().reserved);
    }
    assert_eq!(bytes[3], bytes[49], "{bytes:?}");
}
