//! A training step that is in its steady state allocates no array.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};

use gradus::prelude::*;
use gradus::{NormThen, Pooling};
use ndarray::Array2;

/// Counts allocations of at least [`LARGE`] bytes: arrays, not the thread pool's list of jobs.
struct Counting;

const LARGE: usize = 4096;
static COUNT: AtomicUsize = AtomicUsize::new(0);
/// bytes that were allocated and not freed
static LIVE: AtomicIsize = AtomicIsize::new(0);

// SAFETY: all calls are passed on to the system's allocator.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() >= LARGE {
            COUNT.fetch_add(1, Ordering::Relaxed);
        }
        LIVE.fetch_add(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The large allocations of 2,000 steps after the first 100, or 0 as soon as 100 steps in a row make none.
///
/// A thread of the pool allocates the memory that it keeps when it helps for the first time. The operating system
/// decides when that is, and on a busy machine it may come after hundreds of steps.
fn steady(mut step: impl FnMut()) -> usize {
    (0..100).for_each(|_| step());
    let (mut free, mut allocations) = (0, 0);
    for _ in 0..2000 {
        let before = COUNT.load(Ordering::Relaxed);
        step();
        let count = COUNT.load(Ordering::Relaxed) - before;
        allocations += count;
        free = if count == 0 { free + 1 } else { 0 };
        if free == 100 {
            return 0;
        }
    }
    allocations
}

/// This is a single test, since the allocations of other tests in the same process would be counted too.
#[test]
fn a_steady_step_allocates_no_array() {
    gradus::set_threads(1);
    // a small model, whose products are plain loops
    let mut model = Mlp::builder([8, 64, 64, 4]).dropout(0.1).build::<f32>();
    let (x, y): (_, Vec<usize>) = (Array2::ones((1, 8)), vec![2]);
    let (mut tape, mut opt) = (Tape::training(0), AdamW::new(1e-3).clip_norm(1.0));
    let count = steady(|| {
        let (_, grads) = tape.gradients(|t| model.forward(t.constant(&x)).cross_entropy(&y));
        opt.step(&mut model, &grads);
    });
    assert_eq!(count, 0, "by steps of a small model");

    // a model large enough for the library of products, on one thread and on two
    let mut model = Mlp::builder([512, 256, 10]).build::<f32>();
    let (x, y): (_, Vec<usize>) = (Array2::ones((64, 512)), (0..64).map(|i| i % 10).collect());
    for threads in [1, 2] {
        gradus::set_threads(threads);
        let mut opt = Sgd::new(1e-3).momentum(0.9).clip_norm(1.0);
        let count = steady(|| {
            let (_, grads) = tape.gradients(|t| model.forward(t.constant(&x)).cross_entropy(&y));
            opt.step(&mut model, &grads);
        });
        assert_eq!(count, 0, "by steps of a large model on {threads} threads");
    }

    // a convolutional network, and a table of which few rows are looked up, on one thread and on two
    let mut rng = gradus::nn::rng(0);
    let pooled = NormThen::ReluMaxPool(Pooling::new([2, 2]));
    let mut cnn = Sequential::new()
        .layer(Conv2d::<f32>::new(1, 16, [3, 3], &mut rng).padding([1, 1]))
        .layer(BatchNorm::new(16).then(pooled))
        .layer(Conv2d::new(16, 32, [3, 3], &mut rng).padding([1, 1]))
        .layer(BatchNorm::new(32).then(pooled))
        .layer(Flatten)
        .layer(Linear::new(32 * 49, 10, &mut rng));
    let images = ndarray::Array4::ones((64, 1, 28, 28));
    let mut table = Embedding::<f32>::new(5000, 16, &mut rng);
    let words = ndarray::Array1::from_shape_fn(64, |i| i * 71);
    for threads in [1, 2] {
        gradus::set_threads(threads);
        let (mut of_cnn, mut of_table) = (Adam::new(1e-3), Adam::new(1e-3));
        let count = steady(|| {
            let (_, grads) = tape.gradients(|t| cnn.forward(t.constant(&images)).cross_entropy(&y));
            of_cnn.step(&mut cnn, &grads);
            let (_, grads) = tape.gradients(|t| table.lookup(t, &words).square().sum());
            of_table.step(&mut table, &grads);
        });
        assert_eq!(count, 0, "by steps of a convolutional network and a table, on {threads} threads");
    }

    // a Hessian-vector product
    let directions: Vec<_> = model.params().iter().map(|(_, p)| p.value().to_owned()).collect();
    let mut tape = Tape::new();
    let count = steady(|| {
        tape.clear();
        let cost = model.forward(tape.constant(&x)).cross_entropy(&y);
        cost.hvp(model.params().iter().map(|(_, param)| *param).zip(&directions));
    });
    assert_eq!(count, 0, "by Hessian-vector products");

    // a fused function of two arrays, large enough for two threads
    gradus::fused! { fn wave(a, b) { a.tanh() * (-b * b).exp() } fn total(a, b) -> sum { a.tanh() * b } }
    let a = ndarray::Array1::ones(300_000);
    let count = steady(|| {
        tape.gradients(|t| wave(t.var(&a), t.var(0.5)).mean() + total(t.var(&a), t.var(0.5)));
    });
    assert_eq!(count, 0, "by fused functions");
    gradus::set_threads(1);

    // a chain of elementwise operations
    let x = ndarray::Array1::ones(4096);
    let count = steady(|| {
        tape.gradients(|t| (0..50).fold(t.var(&x), |y, _| (y * 1.01).tanh()).sum());
    });
    assert_eq!(count, 0, "by chains");

    // the memory in use does not grow, however many steps follow
    let mut model = Mlp::builder([2, 16, 1]).build::<f32>();
    let (x, y) = (Array2::ones((1, 2)), Array2::zeros((1, 1)));
    let (mut tape, mut opt) = (Tape::training(0), Sgd::new(0.01));
    let mut live = Vec::with_capacity(5);
    for step in 1..=100_000 {
        let (_, grads) = tape.gradients(|t| loss::mse(model.forward(t.constant(&x)), &y, Reduction::Mean));
        opt.step(&mut model, &grads);
        drop(grads);
        if step % 25_000 == 0 || step == 10 {
            live.push((LIVE.load(Ordering::Relaxed), tape.memory()));
        }
    }
    assert!(live.iter().all(|l| *l == live[0]), "bytes in use after 10, 25,000, … 100,000 steps: {live:?}");
}
