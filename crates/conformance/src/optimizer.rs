//! Cases of kind `optimizer`, and what `training` cases share with them.

use gradus_autograd::{Module, Param, Tape, Var};
use gradus_optim::{Optimizer, Rule, rule};
use ndarray::ArrayD;
use serde_json::{Map, Value, json};

use crate::encoding::{array, arrays, encode, flag, get, list, text};
use crate::{Outcome, Stop, missing, unsupported};

/// An optimizer of any rule.
pub(crate) enum Any {
    Sgd(Optimizer<rule::Sgd, f64>),
    Adam(Optimizer<rule::Adam, f64>),
    AdamW(Optimizer<rule::AdamW, f64>),
}

fn betas(args: &Value) -> Result<(f64, f64), Stop> {
    let betas = list(args, "betas")?;
    match (betas.first().and_then(Value::as_f64), betas.get(1).and_then(Value::as_f64)) {
        (Some(a), Some(b)) => Ok((a, b)),
        _ => Err(missing("betas")),
    }
}

fn sgd(args: &Value) -> Result<rule::Sgd, Stop> {
    if get(args, "dampening")? != 0.0 {
        return unsupported("sgd with dampening");
    }
    Ok(rule::Sgd {
        momentum: get(args, "momentum")?,
        nesterov: flag(args, "nesterov")?,
        weight_decay: get(args, "weight_decay")?,
    })
}

fn adam(args: &Value) -> Result<rule::Adam, Stop> {
    if flag(args, "amsgrad")? {
        return unsupported("adam with amsgrad");
    }
    Ok(rule::Adam { betas: betas(args)?, eps: get(args, "eps")?, weight_decay: get(args, "weight_decay")? })
}

fn adamw(args: &Value) -> Result<rule::AdamW, Stop> {
    let rule::Adam { betas, eps, weight_decay } = adam(args)?;
    Ok(rule::AdamW { betas, eps, weight_decay })
}

/// One rule with its groups, each given by the paths of its parameters.
fn build<R: Rule>(
    args: &Value,
    groups: &[(Vec<String>, Value)],
    clip: &Value,
    read: fn(&Value) -> Result<R, Stop>,
) -> Result<Optimizer<R, f64>, Stop> {
    let mut optimizer = Optimizer::with_rule(get(args, "lr")?, read(args)?);
    for (paths, own) in groups {
        let mut merged = args.clone();
        if let (Some(merged), Some(own)) = (merged.as_object_mut(), own.as_object()) {
            merged.extend(own.clone());
        }
        let (lr, rule) = (get(&merged, "lr")?, read(&merged)?);
        for path in paths {
            optimizer = optimizer.group(path, |group| group.lr(lr).rule(rule.clone()));
        }
    }
    match clip["type"].as_str() {
        None => Ok(optimizer),
        Some("norm") => Ok(optimizer.clip_norm(get(clip, "max_norm")?)),
        Some(other) => unsupported(format!("clipping by {other}")),
    }
}

impl Any {
    pub(crate) fn new(name: &str, args: &Value, groups: &[(Vec<String>, Value)], clip: &Value) -> Result<Self, Stop> {
        match name {
            "sgd" => Ok(Any::Sgd(build(args, groups, clip, sgd)?)),
            "adam" => Ok(Any::Adam(build(args, groups, clip, adam)?)),
            "adamw" => Ok(Any::AdamW(build(args, groups, clip, adamw)?)),
            _ => unsupported(format!("no {name}")),
        }
    }

    pub(crate) fn schedule(self, schedule: gradus_optim::Schedule) -> Self {
        match self {
            Any::Sgd(o) => Any::Sgd(o.schedule(schedule)),
            Any::Adam(o) => Any::Adam(o.schedule(schedule)),
            Any::AdamW(o) => Any::AdamW(o.schedule(schedule)),
        }
    }

    pub(crate) fn step(&mut self, model: &mut impl Module<f64>, grads: &gradus_autograd::Gradients<f64>) {
        match self {
            Any::Sgd(o) => o.step(model, grads),
            Any::Adam(o) => o.step(model, grads),
            Any::AdamW(o) => o.step(model, grads),
        }
    }
}

pub(crate) fn run(case: &Value) -> Outcome {
    let mut params: Vec<Param<f64>> = arrays(case, "params")?.into_iter().map(Param::new).collect();
    let mut groups = Vec::new();
    for group in case["groups"].as_array().into_iter().flatten() {
        let members = list(group, "params")?.iter().filter_map(Value::as_u64).map(|i| i.to_string());
        groups.push((members.collect(), group["args"].clone()));
    }
    let mut optimizer = Any::new(text(case, "name")?, &case["args"], &groups, &case["clip"])?;
    let objective = Objective::read(&case["objective"])?;
    let record: Vec<u64> = list(case, "record_at")?.iter().filter_map(Value::as_u64).collect();
    let mut tape = Tape::mathematics();
    let mut recorded = Vec::new();
    for step in 0..=record.last().copied().unwrap_or(0) {
        if record.contains(&step) {
            recorded.push(json!(params.iter().map(|p| encode(p.shape(), p.data())).collect::<Vec<_>>()));
        }
        let (_, grads) = tape.gradients(|t| {
            let vars: Vec<Var<'_, f64>> = params.iter().map(|p| t.param(p)).collect();
            objective.cost(step as usize, &vars)
        });
        optimizer.step(&mut params, &grads);
    }
    Ok(Map::from_iter([("params".to_owned(), Value::Array(recorded))]))
}

/// What is minimized.
enum Objective {
    Given(Vec<Vec<ArrayD<f64>>>),
    Quadratic { a: ArrayD<f64>, b: ArrayD<f64> },
    Rosenbrock,
    Mlp { x: ArrayD<f64>, y: ArrayD<f64>, activation: String },
}

/// f = Σ 100 (θᵢ₊₁ − θᵢ²)² + (1 − θᵢ)²
pub(crate) fn rosenbrock(theta: Var<'_, f64>) -> Var<'_, f64> {
    let n = theta.len();
    let (first, next) = (theta.narrow(0, 0, n - 1), theta.narrow(0, 1, n - 1));
    (100.0 * (next - first.square()).square() + (1.0 - first).square()).sum()
}

/// The mean squared error of an MLP of one hidden layer.
pub(crate) fn mlp_cost<'t>(
    [w1, b1, w2, b2]: [Var<'t, f64>; 4],
    (x, y): (&ArrayD<f64>, &ArrayD<f64>),
    activation: &str,
) -> Result<Var<'t, f64>, Stop> {
    let hidden = w1.tape().constant(x).linear(w1, b1);
    Ok((activate(activation, hidden)?.linear(w2, b2) - y).square().mean())
}

pub(crate) fn activate<'t>(name: &str, x: Var<'t, f64>) -> Result<Var<'t, f64>, Stop> {
    match name {
        "tanh" => Ok(x.tanh()),
        "relu" => Ok(x.relu()),
        "sigmoid" => Ok(x.sigmoid()),
        _ => unsupported(format!("no activation {name}")),
    }
}

impl Objective {
    fn read(value: &Value) -> Result<Self, Stop> {
        Ok(match text(value, "name")? {
            "given" => {
                let steps = list(value, "grads")?.iter();
                let grads = steps.map(|s| s.as_array().ok_or_else(|| missing("grads"))?.iter().map(array).collect());
                Objective::Given(grads.collect::<Result<_, _>>()?)
            }
            "quadratic" => Objective::Quadratic { a: array(&value["A"])?, b: array(&value["b"])? },
            "rosenbrock" => Objective::Rosenbrock,
            "mlp" => Objective::Mlp {
                x: array(&value["x"])?,
                y: array(&value["y"])?,
                activation: text(value, "activation")?.to_owned(),
            },
            other => return unsupported(format!("no objective {other}")),
        })
    }

    fn cost<'t>(&self, step: usize, params: &[Var<'t, f64>]) -> Var<'t, f64> {
        match self {
            // a linear function, whose gradient is what is given
            Objective::Given(grads) => {
                let none = Vec::new();
                let terms = params.iter().zip(grads.get(step).unwrap_or(&none)).map(|(&p, g)| (p * g).sum());
                terms.reduce(|sum, term| sum + term).unwrap_or_else(|| params[0].sum())
            }
            Objective::Quadratic { a, b } => {
                let theta = params[0];
                let tape = theta.tape();
                0.5 * theta.matmul(tape.constant(a).matmul(theta)) - theta.matmul(b)
            }
            Objective::Rosenbrock => rosenbrock(params[0]),
            Objective::Mlp { x, y, activation } => {
                mlp_cost([params[0], params[1], params[2], params[3]], (x, y), activation).expect("a known activation")
            }
        }
    }
}
