//! The output of `explain` is complete and right: every gradient can be computed again from its JSON alone.

use gradus::prelude::*;
use gradus::{Numbers, Trace, explain};
use ndarray::{Array1, array};

/// Backpropagates from the trace alone: adds up each step's gradient times its local derivatives.
fn replayed(trace: &Trace) -> Vec<(u32, Vec<f64>)> {
    let len = |numbers: &Numbers| numbers.shape.iter().product::<usize>();
    let mut gradients: Vec<(u32, Vec<f64>)> = trace.steps.iter().map(|s| (s.step, vec![0.0; len(&s.value)])).collect();
    let place = |step: u32| trace.steps.iter().position(|s| s.step == step).expect("a step of the trace");
    gradients[place(trace.cost)].1.fill(1.0);
    for step in trace.steps.iter().rev() {
        let arriving = gradients[place(step.step)].1.clone();
        for input in &step.inputs {
            let Some(derivative) = &input.derivative else { continue };
            let rows = derivative.data.as_ref().expect("derivatives are written out");
            let to = &mut gradients[place(input.step)].1;
            for (row, g) in rows.chunks_exact(to.len()).zip(&arriving) {
                to.iter_mut().zip(row).for_each(|(to, d)| *to += g * d);
            }
        }
    }
    gradients
}

fn trace() -> (Trace, Vec<Vec<f64>>) {
    let tape = Tape::<f64>::mathematics();
    let model = vec![Param::new(array![[0.5, -0.3, 0.2], [0.1, 0.7, -0.6]]), Param::new(array![[1.0, -2.0]])];
    tape.name_parameters(&model);
    let x = tape.constant(array![[1.0, 2.0, -1.0], [0.5, -1.5, 0.0]]);
    let hidden = x.matmul(tape.param(&model[0]).t()).tanh();
    let y = hidden.matmul(tape.param(&model[1]).t());
    let cost = (y * y + hidden.sum_axis(1).unsqueeze(1).exp()).mean();
    let gradients = cost.backward();
    let wanted = model.iter().map(|p| gradients.wrt(p).into_iter().collect()).collect();
    (explain(cost), wanted)
}

#[test]
fn gradients_are_computed_again_from_the_json() {
    let (trace, wanted) = trace();
    let json = serde_json::to_string(&trace).unwrap();
    let read: Trace = serde_json::from_str(&json).unwrap();
    assert!(read == trace);
    for (step, computed) in replayed(&read) {
        let Some(gradient) = &read.step(step).unwrap().gradient else { continue };
        let told = gradient.data.as_ref().unwrap();
        assert!(computed.iter().zip(told).all(|(a, b)| (a - b).abs() < 1e-12), "step {step}: {computed:?}, {told:?}");
    }
    for (name, wanted) in ["0", "1"].into_iter().zip(wanted) {
        let step = read.steps.iter().find(|s| s.name.as_deref() == Some(name)).unwrap();
        let told = step.gradient.as_ref().unwrap().data.as_ref().unwrap();
        assert!(told.iter().zip(&wanted).all(|(a, b)| (a - b).abs() < 1e-15));
    }
}

#[test]
fn a_trace_is_readable() {
    let tape = Tape::new();
    let (w, b) = (tape.var(0.5), tape.var(-1.0));
    let x = tape.constant(Array1::from_vec(vec![1.0, 2.0]));
    let cost = (w * x + b).tanh().square().mean();
    let trace = explain(cost);
    let lines = |text: String| {
        // without the line numbers, which change with this file
        text.lines()
            .map(|l| l.split("crates/acceptance/").next().unwrap().trim_end().to_owned())
            .collect::<Vec<_>>()
            .join("\n")
    };
    insta::assert_snapshot!("table", lines(trace.to_string()));
    insta::assert_snapshot!("graphviz", trace.graphviz());
    insta::assert_snapshot!("mermaid", trace.mermaid());
}

#[test]
fn numbers_that_are_not_finite_survive_the_json() {
    let tape = Tape::<f64>::mathematics();
    let x = tape.var([0.0, -1.0, 4.0]);
    let trace = explain(x.sqrt().sum());
    let text = serde_json::to_string(&trace).unwrap();
    let read: Trace = serde_json::from_str(&text).unwrap();
    let told = |t: &Trace| format!("{:?}", t.steps); // as text, because NaN is not equal to itself
    assert_eq!(told(&read), told(&trace));
    assert!(text.contains("\"inf\"") && text.contains("\"NaN\""));
}

#[test]
fn large_arrays_are_summed_up() {
    let tape = Tape::new();
    let x = tape.var(Array1::linspace(-1.0f32, 1.0, 2001));
    let trace = explain(x.square().sum());
    let square = &trace.steps[1];
    assert_eq!((square.value.data.as_ref(), square.inputs[0].derivative.as_ref()), (None, None));
    assert_eq!((square.value.min, square.value.max), (Some(0.0), Some(1.0)));
    assert_eq!(trace.steps[0].gradient.as_ref().unwrap().max, Some(2.0));
    assert!(trace.to_string().contains("0…1 mean"), "{trace}");
    let blocks = trace.steps[0].value.blocks.as_ref().unwrap();
    assert_eq!((blocks.rows, blocks.columns, blocks.means.len()), (1, 32, 32));
    assert!((blocks.means[0] + 31.0 / 32.0).abs() < 2e-3 && blocks.means.is_sorted(), "{blocks:?}");
}

/// Each slope is the cost along one number: at the number itself it is the cost, and its gradient is the swept one.
#[test]
fn slopes_are_those_of_the_cost() {
    let tape = Tape::<f64>::mathematics();
    let (w, x) = (tape.var([0.5, -2.0]).named("w"), tape.var(3.0));
    let cost = ((w * x).tanh() + w.square()).sum();
    let trace = explain(cost);
    let swept = cost.backward();
    let places: Vec<(u32, usize)> = trace.slopes.iter().map(|slope| (slope.step, slope.entry)).collect();
    assert_eq!(places, [(0, 0), (0, 1), (1, 0)]);
    for (slope, gradient) in trace.slopes.iter().zip(swept.wrt(w).iter().chain(swept.wrt(x).iter())) {
        assert_eq!(slope.gradient, *gradient);
        assert!((slope.difference - gradient).abs() < 1e-7, "{slope:?}");
        let middle = slope.at.len() / 2;
        assert_eq!((slope.at[middle], slope.costs[middle]), (slope.value, cost.item()));
    }
    let w_first = &trace.slopes[0];
    let by_hand = |w: f64| (w * 3.0).tanh() + w * w + (-6.0f64).tanh() + 4.0;
    assert!(w_first.at.iter().zip(&w_first.costs).all(|(&w, cost)| (by_hand(w) - cost).abs() < 1e-12));
    assert_eq!((w_first.at[0], w_first.at[40]), (-0.5, 1.5));
}

/// A large tape has no slopes rather than slopes that take minutes; of a large leaf, the steepest numbers are moved.
#[test]
fn few_numbers_are_moved() {
    let tape = Tape::<f64>::mathematics();
    let x = tape.var(Array1::from_iter((0..100).map(f64::from)));
    let trace = explain(x.square().sum());
    assert_eq!(trace.slopes.iter().map(|slope| slope.entry).collect::<Vec<_>>(), [96, 97, 98, 99]);
    let tape = Tape::new();
    let large = explain(tape.var(Array1::<f32>::zeros(10_000_000)).sum());
    assert!(large.slopes.is_empty());
}

#[test]
fn steps_nearest_to_the_cost_can_be_kept_alone() {
    let tape = Tape::<f64>::mathematics();
    let (a, b) = (tape.var(2.0), tape.var(3.0));
    let trace = explain((a * b).square()).nearest(3);
    assert_eq!(trace.steps.iter().map(|step| step.step).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!((trace.left_out, trace.slopes.len(), trace.slopes[0].step), (1, 1, 1));
}

#[test]
fn names_stand_in_tables_and_messages() {
    let tape = Tape::new();
    let rate = tape.var([1.0, 2.0]).named("rate");
    let table = explain(rate.square().named("power").sum()).to_string();
    assert!(table.contains(" rate ") && table.contains(" power "), "{table}");
    tape.detect_anomaly();
    let caught =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (rate - 3.0).named("below").ln().sum().item()));
    let message = *caught.unwrap_err().downcast::<String>().unwrap();
    assert!(message.contains("operand 0 is `below`"), "{message}");
}

/// What an operation keeps for its own use is no step of the reader's program.
#[test]
fn arrays_that_operations_keep_are_not_steps() {
    let tape = Tape::new();
    let x = tape.var(ndarray::Array4::from_shape_fn([1, 1, 4, 4], |(_, _, i, j)| (i * 4 + j) as f32));
    let trace = explain(x.max_pool2d(gradus::Pooling::new([2, 2])).sum());
    assert_eq!(trace.steps.iter().map(|step| &*step.operation).collect::<Vec<_>>(), ["leaf", "max_pool2d", "sum"]);
    assert_eq!(trace.steps[1].inputs.len(), 1);
}

/// `x * x` uses x twice: each occurrence gets its own part, with its own local derivative.
#[test]
fn an_operand_that_occurs_twice_gets_two_parts() {
    let tape = Tape::<f64>::mathematics();
    let x = tape.var([2.0, 3.0]);
    let trace = explain((x * x).sum());
    let numbers = |numbers: &Option<Numbers>| numbers.as_ref().unwrap().data.clone().unwrap();
    for input in &trace.steps[1].inputs {
        assert_eq!((input.step, numbers(&input.contribution)), (0, vec![2.0, 3.0]));
        assert_eq!(numbers(&input.derivative), [2.0, 0.0, 0.0, 3.0]);
    }
    assert_eq!(numbers(&trace.steps[0].gradient), [4.0, 6.0]);
}

/// The derivative of ln at 0 is infinite, and 0 times it is no part of the other rows.
#[test]
fn an_infinite_slope_stays_in_its_row() {
    let tape = Tape::<f64>::mathematics();
    let trace = explain(tape.var([1.0, -1.0, 0.0]).ln().sum());
    let derivative = trace.steps[1].inputs[0].derivative.as_ref().unwrap().data.as_ref().unwrap();
    assert_eq!(derivative, &[1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, f64::INFINITY]);
}

/// A name is text in every form: it neither ends a label nor begins a tag.
#[test]
fn names_are_text_in_graphs() {
    let tape = Tape::<f64>::mathematics();
    let trace = explain(tape.var(2.0).named("a\"<b>&#\n\\x --> y").square());
    assert!(trace.mermaid().contains("[\"0 a#quot;#lt;b#gt;#amp;#35;<br/>\\x --#gt; y<br/>2"), "{}", trace.mermaid());
    assert!(trace.graphviz().contains("[label=\"0 a\\\"<b>&#\\n\\\\x --> y\\n2"), "{}", trace.graphviz());
}

/// A number that an operation holds, and a Jacobian, which is no list.
#[test]
fn settings_and_matrices_are_shown_as_what_they_are() {
    let tape = Tape::<f64>::mathematics();
    let x = tape.var([1.0, 2.0]).named("x");
    let cost = (tape.constant(array![[0.5, 1.0], [-1.0, 2.0]]).named("A").matmul(x) * 3.0).clamp(-1.0, 40.0).sum();
    let trace = explain(cost);
    let table = trace.to_string();
    assert!(table.contains("mul_number 3") && table.contains("clamp low -1, high 40"), "{table}");
    assert!(table.contains("[[0.5 1] [-1 2]]") && table.contains("diag [3 3]"), "{table}");
    let graph = trace.graphviz();
    assert!(
        graph.contains("x\\n[1 2]\\ngradient [-1.5 9]\", shape=ellipse") && graph.contains("peripheries=2"),
        "{graph}"
    );
    assert!(graph.contains("[label=\"[[0.5 1] [-1 2]]\"];"), "{graph}");
}
