//! Cases of kind `training`.

use gradus_autograd::{Param, Tape, Var};
use gradus_nn::{Reduction, loss};
use ndarray::{ArrayD, Axis};
use serde_json::{Map, Value, json};

use crate::encoding::{array, arrays, encode, encode_number, get, list, text};
use crate::optimizer::{Setting, activate};
use crate::{Outcome, Stop, missing, schedule, unsupported};

/// The layers' outputs.
fn forward<'t>(model: &[String], params: &[Param<f64>], x: Var<'t, f64>) -> Result<Var<'t, f64>, Stop> {
    let (mut h, mut next) = (x, 0);
    for layer in model {
        h = match layer.as_str() {
            "linear" => {
                next += 2;
                h.linear(&params[next - 2], &params[next - 1])
            }
            "squeeze_last" => h.squeeze(-1),
            "flatten" => h.reshape([h.shape()[0], h.shape()[1..].iter().product()]),
            name @ ("tanh" | "relu" | "sigmoid") => activate(name, h)?,
            other => return unsupported(format!("no layer {other}")),
        };
    }
    Ok(h)
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
    let model = list(case, "model")?.iter().map(|l| text(l, "type").map(str::to_owned));
    let model = model.collect::<Result<Vec<_>, _>>()?;
    let mut params: Vec<Param<f64>> = arrays(case, "params")?.into_iter().map(Param::new).collect();
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
    // a dry run says what is not offered before anything else
    cost(loss, forward(&model, &params, Tape::mathematics().constant(&x))?, &y)?;
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
        optimizer.step(&mut params, &mut |params| {
            let (value, grads) = tape.gradients(|t| {
                let output = forward(&model, params, t.constant(&x)).expect("known layers");
                cost(loss, output, &y).expect("a known loss")
            });
            losses.push(encode_number(value));
            (value, grads)
        });
    }
    let tape = Tape::inference();
    let outputs = forward(&model, &params, tape.constant(&x))?;
    Ok(Map::from_iter([
        ("losses".to_owned(), Value::Array(losses)),
        ("lrs".to_owned(), Value::Array(rates)),
        ("params".to_owned(), json!(params.iter().map(|p| encode(p.shape(), p.data())).collect::<Vec<_>>())),
        ("outputs".to_owned(), encode(outputs.shape(), outputs.data())),
    ]))
}
