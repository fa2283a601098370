//! Every panic for a programmer's mistake has a message that helps, and points at the user's line.
//!
//! After an intended change, `INSTA_UPDATE=always cargo test --test messages` writes the snapshot anew.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use gradus::prelude::*;
use gradus::{Convolution, Pooling, einsum, explain};
use ndarray::{Array1, Array2, Array4, array, s};

thread_local! {
    static CAUGHT: RefCell<Option<(String, u32, String)>> = const { RefCell::new(None) };
}

/// The message of a mistake, or a text that says what is wrong if the panic does not point at the user's line.
fn message_of(line: u32, mistake: impl FnOnce()) -> String {
    if catch_unwind(AssertUnwindSafe(mistake)).is_ok() {
        return format!("NO PANIC at line {line}");
    }
    match CAUGHT.take() {
        Some((file, at, message)) if file.ends_with("messages.rs") && at == line => message,
        caught => format!("NOT AT THE USER'S LINE {line}: {caught:?}"),
    }
}

/// Runs mistakes of one line each, and checks that each panic names its line.
macro_rules! mistakes {
    ($($mistake:expr;)*) => {{
        let (mut text, mut line) = (String::new(), line!());
        $({
            line += 1; // one mistake a line
            let message = message_of(line, || {
                let _ = $mistake;
            });
            text.push_str(&format!("{}\n    {message}\n", stringify!($mistake).replace('\n', " ")));
        })*
        text
    }};
}

#[test]
fn each_mistake_is_explained_at_the_users_line() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|info| {
        let message = info.payload().downcast_ref::<String>().cloned();
        let message = message.or(info.payload().downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_default();
        let at = info.location().map(|l| (l.file().to_owned(), l.line())).unwrap_or_default();
        CAUGHT.set(Some((at.0, at.1, message)));
    }));
    let (tape, other, inference) = (Tape::new(), Tape::new(), Tape::<f32>::inference());
    let a = tape.var(Array2::zeros((32, 784)));
    let w = tape.var(Array2::zeros((128, 784)));
    let v = tape.var(Array1::zeros(3));
    let n = tape.var(2.0);
    let (images, filters) = (tape.var(Array4::zeros((1, 4, 8, 8))), tape.var(Array4::zeros((6, 4, 3, 3))));
    let foreign = other.var(2.0);
    let constant = tape.constant(1.0);
    let layer = Linear::new(784, 128, &mut gradus::nn::rng(0));
    let mut param = Param::new(array![1.0, 2.0]);
    let buffer = Buffer::new(array![1.0, 2.0]);
    let grads = n.square().backward();
    #[rustfmt::skip]
    let text = mistakes! {
        a.matmul(w);
        a.matmul(v);
        n.matmul(v);
        tape.var(Array2::zeros((2, 3))).matmul(tape.var(Array2::zeros((4, 2))));
        a + w;
        tape.var(Array2::zeros((3, 2))) * v;
        a.maximum(v);
        a.gt(w);
        where_(a, w, 0.0);
        a.linear(w, v);
        layer.forward(v);
        a.reshape([5, -1]);
        a.broadcast_to(&[784]);
        a.permute([0, 0]);
        a.permute([0]);
        a.mean_axis([1, -1]);
        n.reshape([(1 << 63) + 1, (1 << 63) + 1usize]);
        v.norm(0.0);
        v.dot(a);
        a.outer(v);
        v.max(1);
        tape.var(Array2::zeros((2, 0))).argmax(1);
        v.topk(0, 4);
        v.pad(&[[1, 1], [0, 0]], 0.0);
        n.diag(0);
        v.tril(0);
        v.layer_norm(2, 1e-5);
        v.batch_norm(1e-5);
        v.embedding(&array![0]);
        a.embedding(&array![31, 32]);
        v.scatter_add(0, &array![5], v);
        v.scatter_add(0, &array![0, 0, 0, 0], v);
        einsum("ij,jk->ik", &[a, w]);
        a.conv2d(w, Convolution::default());
        images.conv2d(filters, Convolution { groups: 2, ..Convolution::default() });
        images.conv2d(filters, Convolution { stride: [0, 1], ..Convolution::default() });
        tape.var(Array4::zeros((1, 4, 2, 2))).conv2d(filters, Convolution::default());
        a.max_pool2d(Pooling::new([2, 2]));
        images.avg_pool2d(Pooling { padding: [2, 0], ..Pooling::new([2, 2]) });
        images.max_pool2d(Pooling::new([9, 1]));
        tape.var(Array4::zeros((1, 1, 0, 2))).max_pool2d(Pooling { padding: [1, 0], ..Pooling::new([2, 2]) });
        v.backward_with(&array![1.0]);
        v.jvp([(v, array![1.0])]);
        explain(v);
        tape.constant_with(&[1 << 40, 1 << 40], |_| {});
        a.transpose(0, 2);
        v.t();
        a.squeeze(0);
        a.slice(s![40, ..]);
        a.slice(s![.., .., ..]);
        a.narrow(1, 700, 100);
        v.at(3);
        v.at([0, 0]);
        concat(&[a, v], 0);
        concat::<f32>(&[], 0);
        stack(&[a, w], 0);
        a.sum_axis(2);
        tape.var(Array1::zeros(0)).amax();
        v.index_select(0, &[1, 3]);
        a.gather(1, &array![[784]]);
        a.gather(0, &array![0]);
        a.softmax(-3);
        a.cross_entropy(&[1, 2]);
        v.cross_entropy(&[1]);
        tape.var(Array2::zeros((2, 10))).cross_entropy(&[3, 10]);
        v.item();
        v.backward();
        v.grad([v]);
        n.grad([constant]);
        n.grad([foreign]);
        n + foreign;
        inference.constant(1.0).backward();
        grads.wrt(foreign);
        grads.wrt(constant);
        grads.wrt(n.square());
        param.set(array![1.0]);
        buffer.move_toward(0.1, v);
        Dropout::new(0.5).forward(v);
        Dropout::new(1.5);
        loss::mse(v, &array![[1.0], [2.0], [3.0]], Reduction::Mean);
        loss::binary_cross_entropy(a, &array![1.0], Reduction::Mean);
        Mlp::builder([3]);
        constant_schedule().then(cosine(3));
        step_decay(0, 0.5);
        gradus::data::digits().test.batches(0);
    };
    std::panic::set_hook(hook);
    assert!(!text.contains("NO PANIC") && !text.contains("NOT AT THE USER'S LINE"), "{text}");
    insta::assert_snapshot!(text);
}

fn constant_schedule() -> Schedule {
    schedule::constant()
}
