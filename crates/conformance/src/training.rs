//! Cases of kind `training`.

use gradus_autograd::{Convolution, Module, Param, Tape, Var};
use gradus_derive::Module;
use gradus_nn::{BatchNorm, Conv2d, Embedding, Flatten, Forward, LayerNorm, Linear, MaxPool2d, Reduction, loss};
use ndarray::{ArrayD, Axis};
use serde_json::{Map, Value, json};

use crate::encoding::{array, arrays, encode, encode_number, get, integers, list, text};
use crate::optimizer::{Setting, activate};
use crate::{Outcome, Stop, missing, schedule, unsupported};

/// A layer with its parameters.
#[derive(Module)]
#[module(crate = gradus_autograd, scalar = f64)]
enum Layer {
    Linear(Linear<f64>),
    Conv2d(Conv2d<f64>),
    LayerNorm(LayerNorm<f64>),
    BatchNorm(BatchNorm<f64>),
    Embedding(Embedding<f64>),
    MaxPool2d(#[module(skip)] MaxPool2d),
    Plain(#[module(skip)] String),
}

/// Reads a field that holds one whole number or two.
fn sizes(value: &Value, field: &str) -> Result<[usize; 2], Stop> {
    match &value[field] {
        Value::Number(n) => n.as_u64().map(|n| [n as usize; 2]).ok_or_else(|| missing(field)),
        list => integers(list)
            .and_then(|l| l.iter().map(|&n| n as usize).collect::<Vec<_>>().try_into().ok())
            .ok_or_else(|| missing(field)),
    }
}

fn layers(model: &Value, params: Vec<ArrayD<f64>>) -> Result<Vec<Layer>, Stop> {
    let mut params = params.into_iter();
    let mut next = || params.next().map(Param::new).ok_or_else(|| missing("params"));
    let layer = |l: &Value| {
        Ok(match text(l, "type")? {
            "linear" => Layer::Linear(Linear { weight: next()?, bias: Some(next()?) }),
            "conv2d" => {
                let (stride, padding) = (sizes(l, "stride")?, sizes(l, "padding")?);
                let settings = Convolution { stride, padding, ..Convolution::default() };
                Layer::Conv2d(Conv2d { weight: next()?, bias: Some(next()?), settings })
            }
            "layer_norm" => Layer::LayerNorm(LayerNorm { weight: next()?, bias: next()?, eps: get(l, "eps")? }),
            "batch_norm" => {
                let (weight, bias) = (next()?, next()?);
                let (eps, momentum) = (get(l, "eps")?, get(l, "momentum")?);
                let start = BatchNorm::new(weight.len());
                Layer::BatchNorm(BatchNorm { weight, bias, eps, momentum, ..start })
            }
            "embedding" => Layer::Embedding(Embedding { weight: next()? }),
            "max_pool2d" => Layer::MaxPool2d(MaxPool2d::new(sizes(l, "kernel_size")?)),
            name @ ("squeeze_last" | "flatten" | "mean_dim1" | "tanh" | "relu" | "sigmoid") => {
                Layer::Plain(name.into())
            }
            other => return unsupported(format!("no layer {other}")),
        })
    };
    model.as_array().ok_or_else(|| missing("model"))?.iter().map(layer).collect()
}

/// Computes the model's outputs.
fn forward<'t>(model: &[Layer], tape: &'t Tape<f64>, x: &ArrayD<f64>) -> Var<'t, f64> {
    let mut h = tape.constant(x);
    for layer in model {
        h = match layer {
            Layer::Linear(layer) => layer.forward(h),
            Layer::Conv2d(layer) => layer.forward(h),
            Layer::LayerNorm(layer) => layer.forward(h),
            Layer::BatchNorm(layer) => layer.forward(h),
            Layer::Embedding(layer) => layer.lookup(tape, &x.mapv(|x| x as usize)),
            Layer::MaxPool2d(layer) => layer.forward(h),
            Layer::Plain(name) => match name.as_str() {
                "squeeze_last" => h.squeeze(-1),
                "flatten" => Flatten.forward(h),
                "mean_dim1" => h.mean_axis(1),
                name => activate(name, h).expect("a known activation"),
            },
        };
    }
    h
}

fn cost<'t>(name: &str, output: Var<'t, f64>, y: &ArrayD<f64>) -> Result<Var<'t, f64>, Stop> {
    match name {
        "cross_entropy" => {
            let labels: Vec<usize> = y.iter().map(|&y| y as usize).collect();
            Ok(output.cross_entropy(&labels))
        }
        "mse_loss" => Ok(loss::mse(output, y, Reduction::Mean)),
        "binary_cross_entropy_with_logits" => Ok(loss::binary_cross_entropy(output, y, Reduction::Mean)),
        "perceptron" => Ok((-output * y).relu().mean()),
        other => unsupported(format!("no loss {other}")),
    }
}

pub(crate) fn run(case: &Value) -> Outcome {
    let mut model = layers(&case["model"], arrays(case, "params")?)?;
    let (x, y) = (array(&case["data"]["x"])?, array(&case["data"]["y"])?);
    let loss = text(case, "loss")?;
    let settings = &case["optimizer"];
    let mut factor = gradus_optim::constant();
    let base = get(&settings["args"], "lr")?;
    if !case["schedule"].is_null() {
        let factors = schedule::factors(text(&case["schedule"], "name")?, &case["schedule"]["args"], base)?;
        let every = case["schedule"]["every"].as_u64().ok_or_else(|| missing("every"))?;
        factor = factors.every(every);
    }
    let setting = Setting { args: &settings["args"], groups: &[], clip: &case["clip"], schedule: factor.clone() };
    let mut optimizer = setting.optimizer(text(settings, "name")?)?;
    // a dry run finds a loss that is not offered before anything else
    cost(loss, forward(&model, &Tape::inference(), &x), &y)?;
    let mut tape = Tape::training(0);
    let (mut losses, mut rates) = (Vec::new(), Vec::new());
    for (step, batch) in list(case, "batches")?.iter().enumerate() {
        let rows: Vec<usize> = batch
            .as_array()
            .ok_or_else(|| missing("batches"))?
            .iter()
            .filter_map(Value::as_u64)
            .map(|i| i as usize)
            .collect();
        let (x, y) = (x.select(Axis(0), &rows), y.select(Axis(0), &rows));
        rates.push(encode_number(base * factor.factor(step as u64)));
        optimizer.step(&mut model, &mut |model: &Vec<Layer>| {
            let (value, grads) = tape.gradients(|t| cost(loss, forward(model, t, &x), &y).expect("a known loss"));
            losses.push(encode_number(value));
            (value, grads)
        });
    }
    let tape = Tape::inference();
    let outputs = forward(&model, &tape, &x);
    let params = model.params();
    Ok(Map::from_iter([
        ("losses".to_owned(), Value::Array(losses)),
        ("lrs".to_owned(), Value::Array(rates)),
        ("params".to_owned(), json!(params.iter().map(|(_, p)| encode(p.shape(), p.data())).collect::<Vec<_>>())),
        ("outputs".to_owned(), encode(outputs.shape(), outputs.data())),
    ]))
}
