//! `#[derive(Module)]` on every kind of struct that a model may be.

use gradus::prelude::*;
use gradus::{Leaf, Module as ModuleTrait};
use ndarray::array;

fn paths<T: Float>(module: &impl ModuleTrait<T>) -> Vec<String> {
    module.leaves().into_iter().map(|(path, _)| path).collect()
}

fn p() -> Param {
    Param::new(1.0)
}

#[derive(Module)]
struct Everything<T: Float, M> {
    param: Param<T>,
    running: Buffer<T>,
    nested: M,
    list: Vec<M>,
    maybe: Option<Param<T>>,
    none: Option<M>,
    pair: (Param<T>, M),
    array: [Param<T>; 2],
    boxed: Box<M>,
    r#type: Param<T>,
    #[module(skip)]
    name: String,
    #[module(skip)]
    f: fn(f64) -> f64,
}

#[derive(Module)]
struct Tuple(Param, #[module(skip)] usize, Vec<Param>);

#[derive(Module)]
struct Unit;

#[derive(Module)]
struct Where<S>
where
    S: Float,
{
    weight: Param<S>,
}

#[derive(Module)]
#[module(scalar = f64)]
struct Double {
    weight: Param<f64>,
}

/// The number type is that of the fields.
#[derive(Module)]
struct Doubles {
    first: Linear<f64>,
    rest: Vec<Linear<f64>>,
    scale: Option<Param<f64>>,
    #[module(skip)]
    rate: f32,
}

#[test]
fn the_number_type_is_that_of_the_fields() {
    let layer = || Linear::<f64>::new(2, 2, &mut gradus::nn::rng(0));
    let model = Doubles { first: layer(), rest: vec![layer()], scale: Some(Param::new(1.0)), rate: 0.1 };
    assert_eq!(paths::<f64>(&model).len(), 5);
    assert!(model.rate > 0.0);
}

#[derive(Module)]
enum Choice<T: Float = f32> {
    Plain(Param<T>),
    Named { left: Param<T>, right: Tuple64<T> },
    Nothing,
}

#[derive(Module)]
struct Tuple64<T: Float>(Param<T>);

#[derive(Module)]
struct Skipped<A: Send + Sync> {
    weight: Param,
    #[module(skip)]
    any: A,
}

#[derive(Module)]
struct Renamed {
    #[module(name = "fc1")]
    hidden: Param,
    #[module(name = "fc2")]
    out: Vec<Param>,
}

#[test]
fn a_field_may_have_another_name_in_paths() {
    assert_eq!(paths::<f32>(&Renamed { hidden: p(), out: vec![p()] }), ["fc1", "fc2.0"]);
}

#[test]
fn paths_are_fields_places_and_nesting() {
    let everything = Everything {
        param: p(),
        running: Buffer::new(1.0),
        nested: Tuple(p(), 3, vec![p(), p()]),
        list: vec![Tuple(p(), 3, vec![])],
        maybe: Some(p()),
        none: None,
        pair: (p(), Tuple(p(), 3, vec![])),
        array: [p(), p()],
        boxed: Box::new(Tuple(p(), 3, vec![])),
        r#type: p(),
        name: "a name".into(),
        f: f64::sin,
    };
    assert_eq!((everything.name.len(), (everything.f)(0.0), everything.nested.1), (6, 0.0, 3));
    assert_eq!(
        paths::<f32>(&everything),
        [
            "param",
            "running",
            "nested.0",
            "nested.2.0",
            "nested.2.1",
            "list.0.0",
            "maybe",
            "pair.0",
            "pair.1.0",
            "array.0",
            "array.1",
            "boxed.0",
            "type",
        ]
    );
    let buffers = everything.leaves().into_iter().filter(|(_, leaf)| matches!(leaf, Leaf::Buffer(_))).count();
    assert_eq!(buffers, 1);
}

#[test]
fn every_kind_of_type_derives() {
    assert!(paths::<f32>(&Unit).is_empty());
    assert_eq!(paths::<f64>(&Where { weight: Param::new(1.0) }), ["weight"]);
    assert_eq!(paths::<f64>(&Double { weight: Param::new(1.0) }), ["weight"]);
    assert_eq!(paths::<f32>(&Choice::Plain(p())), ["0"]);
    assert_eq!(paths::<f32>(&Choice::Named { left: p(), right: Tuple64(p()) }), ["left", "right.0"]);
    assert!(paths::<f32>(&Choice::<f32>::Nothing).is_empty());
    let skipped = Skipped { weight: p(), any: std::sync::Mutex::new(1) };
    assert_eq!((paths::<f32>(&skipped).len(), *skipped.any.lock().unwrap()), (1, 1));
}

#[test]
fn a_derived_module_is_optimized_where_it_stands() {
    let mut model = Tuple(Param::new(array![4.0]), 0, vec![Param::new(array![2.0])]);
    let mut tape = Tape::training(0);
    let mut opt = Sgd::new(0.25);
    for _ in 0..20 {
        let (_, grads) = tape.gradients(|t| (t.param(&model.0) * 1.0 - &model.2[0]).square().sum());
        opt.step(&mut model, &grads);
    }
    assert!((model.0.data()[0] - 3.0).abs() < 1e-4 && (model.2[0].data()[0] - 3.0).abs() < 1e-4);
}
